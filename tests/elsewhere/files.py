"""A file is written only where that changes it."""

import os


def written(path, text, mode=0o644):
    """Writes a file where it does not hold that already, so that nothing is built anew for it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return path
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path
