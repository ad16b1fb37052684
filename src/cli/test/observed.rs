//! The observed flow of a case as a file of expectations, for a person to review: `observed/NAME.toml` beside the case.

use super::plan::shown;
use crate::cli::results;
use std::fs;
use std::path::Path;

/// The folder, in that of the case: what lies there is no case.
const FOLDER: &str = "observed";

/// Writes it, and says where. What a person may have changed there is left alone.
///
/// # Errors
/// Why it could not be written.
pub(super) fn write(case: &Path, text: &str) -> Result<String, String> {
    let folder = case.parent().unwrap_or(Path::new("")).join(FOLDER);
    let file = folder.join(case.file_name().unwrap_or_default());
    match fs::read_to_string(&file) {
        Ok(there) if there == text => return Ok(format!("{}, as it was", shown(&file))),
        Ok(_) => {
            return Ok(format!(
                "{} is left as it is: it says something else; remove it to have it written anew",
                shown(&file)
            ));
        }
        Err(_) => {}
    }
    let made = fs::create_dir_all(&folder).map_err(|error| error.to_string());
    let written = made.and_then(|()| results::write_whole(&file, text.as_bytes()).map_err(|error| error.to_string()));
    written
        .map(|()| format!("{}; read it, and name it under expect_files", shown(&file)))
        .map_err(|error| format!("{} could not be written: {error}", shown(&file)))
}
