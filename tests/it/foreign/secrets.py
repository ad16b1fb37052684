"""What detect-secrets finds in the files of a folder: one JSON object a line with type, value and file."""

import json
import pathlib
import sys

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

with default_settings():
    for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        for found in scan_file(str(file)):
            print(json.dumps({"type": found.type, "value": found.secret_value or "", "file": file.name}))
