# SPDX-License-Identifier: BSL-1.0
# tools/check_layers accepts a sound tree and names each fault that is put into it.
import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "check_layers"


def header(name, layer, *includes, banner=True, guard=None, tail=""):
    guard = guard or "".join(c if c.isalnum() else "_" for c in name.upper())
    lines = ["// SPDX-License-Identifier: BSL-1.0", "// A purpose.", f"// Layer {layer}."] if banner else []
    lines += [f"#ifndef {guard}", f"#define {guard}", *[f"#include {include}" for include in includes], tail, "#endif", ""]
    return "\n".join(lines)


SOUND = {
    "cokafka/detail/base/config.hpp": header("cokafka/detail/base/config.hpp", 0),
    "cokafka/detail/base/low.hpp": header("cokafka/detail/base/low.hpp", 0, "<vector>"),
    "cokafka/detail/core/rule.hpp": header(
        "cokafka/detail/core/rule.hpp", 4, '"cokafka/detail/base/low.hpp"',
        tail='#if defined(COKAFKA_HEADER_ONLY)\n#include "cokafka/detail/core/rule.ipp"\n#endif'),
    "cokafka/detail/core/rule.ipp": header("cokafka/detail/core/rule.ipp", 4, '"cokafka/detail/core/rule.hpp"'),
    "cokafka/detail/io/task.hpp": header("cokafka/detail/io/task.hpp", 5, "<boost/asio/awaitable.hpp>"),
}

FAULTS = {
    "layer 0 includes cokafka/detail/core/rule.hpp of layer 4": {
        "cokafka/detail/base/low.hpp": header("cokafka/detail/base/low.hpp", 0, '"cokafka/detail/core/rule.hpp"')},
    "Asio starts at layer 5": {
        "cokafka/detail/base/low.hpp": header("cokafka/detail/base/low.hpp", 0, "<boost/asio/post.hpp>")},
    "Outcome starts at layer 3": {
        "cokafka/detail/base/low.hpp": header("cokafka/detail/base/low.hpp", 0, "<boost/outcome/result.hpp>")},
    "name the piece that is used": {
        "cokafka/detail/io/task.hpp": header("cokafka/detail/io/task.hpp", 5, "<boost/asio.hpp>")},
    "first line is not the SPDX line": {
        "cokafka/detail/io/task.hpp": header("cokafka/detail/io/task.hpp", 5, banner=False)},
    "says layer 4, its folder is layer 5": {
        "cokafka/detail/io/task.hpp": header("cokafka/detail/io/task.hpp", 4)},
    "include guard is not COKAFKA_DETAIL_IO_TASK_HPP": {
        "cokafka/detail/io/task.hpp": header("cokafka/detail/io/task.hpp", 5, guard="OTHER_HPP")},
    "is ours: use quotes": {
        "cokafka/detail/io/task.hpp": header("cokafka/detail/io/task.hpp", 5, "<cokafka/detail/base/low.hpp>")},
    "is not written relative to include/": {
        "cokafka/detail/io/task.hpp": header("cokafka/detail/io/task.hpp", 5, '"task_parts.hpp"')},
    "does not exist": {
        "cokafka/detail/io/task.hpp": header("cokafka/detail/io/task.hpp", 5, '"cokafka/detail/base/gone.hpp"')},
    "its first include must be its own header": {
        "cokafka/detail/core/rule.ipp": header("cokafka/detail/core/rule.ipp", 4, '"cokafka/detail/base/low.hpp"')},
    "does not list every body": {
        "cokafka/src.hpp": header("cokafka/src.hpp", 7)},
}


def run(faults):
    with tempfile.TemporaryDirectory() as folder:
        def write(files):
            for name, text in files.items():
                path = pathlib.Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

        command = [sys.executable, CHECK, "--root", folder]
        write(SOUND)
        subprocess.run(command + ["--fix"], capture_output=True, check=False)
        write(faults)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


def main():
    code, text = run({})
    wrong = [] if code == 0 else [f"a sound tree is refused:\n{text}"]
    for message, faults in FAULTS.items():
        code, text = run(faults)
        if code != 1 or message not in text:
            wrong.append(f"not found: {message}\n{text}")
    print("\n".join(wrong) or f"{len(FAULTS)} faults are found")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
