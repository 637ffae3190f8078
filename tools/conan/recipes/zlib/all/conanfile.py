# SPDX-License-Identifier: BSL-1.0
# Stands in for the public recipe of zlib in offline tests: the names are its own, the files are Debian's zlib1g-dev.
import subprocess

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration


class StandIn(ConanFile):
    name = "zlib"
    settings = "os", "compiler", "build_type", "arch"
    options = {"shared": [True, False], "fPIC": [True, False]}
    default_options = {"shared": True, "fPIC": True}

    def package_id(self):
        self.info.clear()

    def validate(self):
        found = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "zlib1g-dev"], capture_output=True, text=True).stdout
        if not found.startswith("1:1.2.13"):
            raise ConanInvalidConfiguration(f"this stand-in needs Debian's zlib1g-dev 1:1.2.13, found '{found}'")

    def package_info(self):
        self.cpp_info.set_property("cmake_target_name", "ZLIB::ZLIB")
        self.cpp_info.set_property("pkg_config_name", "zlib")
        self.cpp_info.includedirs = self.cpp_info.libdirs = self.cpp_info.bindirs = []
        self.cpp_info.system_libs = ["z"]
