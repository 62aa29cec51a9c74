"""Generate the SDKs of other languages from the contracts, and pack them as release artifacts.

`python -m tools.sdks` does all languages: the code comes to `build/sdk/`, the artifacts to
`dist/sdk/`. With `--output DIR` only the code is generated, into DIR.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.sdks import artifacts, documents, generator


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.sdks", description=__doc__)
    parser.add_argument("--language", action="append", choices=generator.LANGUAGES)
    parser.add_argument("--contract", action="append", choices=documents.CONTRACTS)
    parser.add_argument("--kind", action="append", choices=generator.KINDS)
    parser.add_argument("--output", type=Path, help="generate here, and pack nothing")
    options = parser.parse_args(arguments)
    if options.output is None and (options.contract or options.kind):
        parser.error("an artifact has all contracts and kinds; give --output for a part of them")
    try:
        for language in options.language or generator.LANGUAGES:
            if options.output is None:
                _release(language)
            else:
                _say(language, "generating ...")
                generator.generate(
                    language,
                    options.output.resolve() / language,
                    contracts=options.contract or documents.CONTRACTS,
                    kinds=options.kind or generator.KINDS,
                )
                _say(language, f"generated into {options.output / language}")
    except (documents.DocumentError, generator.CannotGenerate) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _release(language: str) -> None:
    _say(language, "generating ...")
    generated = generator.generated(language)
    _say(language, f"generated into {generated.relative_to(documents.ROOT)}; packing ...")
    name, packed = artifacts.build(language, generated)
    artifacts.DIST.mkdir(parents=True, exist_ok=True)
    path = artifacts.DIST / name
    path.write_bytes(packed)
    digest = hashlib.sha256(packed).hexdigest()
    size = len(packed) / 1024
    _say(language, f"{path.relative_to(documents.ROOT)}, {size:.0f} KiB, sha256 {digest}")


def _say(language: str, text: str) -> None:
    print(f"{language}: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
