# SPDX-License-Identifier: BSL-1.0
# Stands in for the public recipe of lz4 in offline tests: the names are its own, the files are Debian's liblz4-dev.
import subprocess

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration


class StandIn(ConanFile):
    name = "lz4"
    settings = "os", "compiler", "build_type", "arch"
    options = {"shared": [True, False], "fPIC": [True, False]}
    default_options = {"shared": True, "fPIC": True}

    def package_id(self):
        self.info.clear()

    def validate(self):
        found = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "liblz4-dev"], capture_output=True, text=True).stdout
        if not found.startswith("1.9.4"):
            raise ConanInvalidConfiguration(f"this stand-in needs Debian's liblz4-dev 1.9.4, found '{found}'")

    def package_info(self):
        self.cpp_info.set_property("cmake_target_name", "LZ4::lz4_shared")
        self.cpp_info.set_property("pkg_config_name", "liblz4")
        self.cpp_info.includedirs = self.cpp_info.libdirs = self.cpp_info.bindirs = []
        self.cpp_info.system_libs = ["lz4"]
