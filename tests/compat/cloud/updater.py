"""Swift's container updater with the swift.conf of a directory: DIRECTORY CONFIG. Its own command
reads /etc/swift/swift.conf, whatever `swift_dir` says.
"""

from __future__ import annotations

import sys

from swift.common.utils import set_swift_dir
from swift.container.updater import main

if __name__ == "__main__":
    set_swift_dir(sys.argv.pop(1))
    main()
