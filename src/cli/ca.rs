//! `ca show`: the kept certificate authority of a folder.

use anyhow::{Context, Result};
use authtrace::ca::Root;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use time::OffsetDateTime;

pub(crate) fn show(folder: &Path) -> Result<ExitCode> {
    let kept = Root::kept(folder).with_context(|| {
        format!(
            "no certificate authority in {} (authtrace makes one there when `run` or `proxy` is given --ca-dir)",
            folder.display()
        )
    })?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "certificate  {}", folder.join("ca.pem").display())?;
    writeln!(out, "fingerprint  SHA-256 {}", kept.fingerprint)?;
    writeln!(out, "valid        {} to {} UTC", minute(kept.not_before), minute(kept.not_after))?;
    if let Some(until) = kept.successor_until {
        writeln!(out, "successor    in the same file, valid to {} UTC", minute(until))?;
    }
    writeln!(out, "signs for    {}", kept.names.join(", "))?;
    writeln!(out)?;
    writeln!(out, "Trust it in one program only, for example:")?;
    writeln!(out, "  NODE_EXTRA_CA_CERTS={} claude", folder.join("ca.pem").display())?;
    writeln!(out, "Never put it into a system's trust store.")?;
    Ok(ExitCode::SUCCESS)
}

fn minute(at: OffsetDateTime) -> String {
    format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute())
}
