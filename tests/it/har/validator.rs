//! What others say about the HAR that we write.
//!
//! `.ci/install-node-clients` installs the validator. Where it is missing, the test is skipped with a line that says so;
//! `AUTHTRACE_REQUIRE_TOOLS=1` makes that a failure.

use super::{cases, export, survey, tools};
use crate::clients::installed;
use crate::support::program::Home;
use std::fs;
use std::process::Command;

const VALIDATE: &str = r"
const { har } = require('har-validator');
const fs = require('fs');
(async () => {
  for (const file of fs.readdirSync(process.env.FOLDER)) {
    const data = JSON.parse(fs.readFileSync(process.env.FOLDER + '/' + file, 'utf8'));
    try { await har(data); } catch (error) { console.log(file, JSON.stringify(error.errors)); }
    for (const entry of data.log.entries) {
      const { protocol, hostname } = new URL(entry.request.url);
      if (!hostname || !/^https?:$/.test(protocol)) console.log(file, entry.request.url);
    }
  }
  console.log('done');
})();
";

#[test]
fn a_foreign_validator_accepts_what_is_written() {
    let Some(_) = installed("node/node_modules/har-validator") else { return };
    let home = Home::new();
    let folder = home.path("work");
    let all = cases::all().chain(tools::TOOLS.map(|tool| (tool.to_owned(), tools::file(tool))));
    for (name, text) in all {
        fs::write(folder.join(format!("{name}.har")), export(&survey(&text))).unwrap();
    }
    let modules = installed("node/node_modules").unwrap();
    let output = Command::new("node")
        .args(["-e", VALIDATE])
        .current_dir(modules.parent().unwrap())
        .env("FOLDER", folder)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n", "{}", String::from_utf8_lossy(&output.stderr));
}
