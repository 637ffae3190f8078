# SPDX-License-Identifier: BSL-1.0
# Stands in for the public recipe of zstd in offline tests: the names are its own, the files are Debian's libzstd-dev.
import subprocess

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration


class StandIn(ConanFile):
    name = "zstd"
    settings = "os", "compiler", "build_type", "arch"
    options = {"shared": [True, False], "fPIC": [True, False]}
    default_options = {"shared": True, "fPIC": True}

    def package_id(self):
        self.info.clear()

    def validate(self):
        found = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "libzstd-dev"], capture_output=True, text=True).stdout
        if not found.startswith("1.5.4"):
            raise ConanInvalidConfiguration(f"this stand-in needs Debian's libzstd-dev 1.5.4, found '{found}'")

    def package_info(self):
        library = self.cpp_info.components["zstdlib"]
        library.set_property("cmake_target_name", "zstd::libzstd_shared")
        library.set_property("pkg_config_name", "libzstd")
        library.includedirs = library.libdirs = library.bindirs = []
        library.system_libs = ["zstd"]
