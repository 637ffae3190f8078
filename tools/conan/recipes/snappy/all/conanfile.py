# SPDX-License-Identifier: BSL-1.0
# Stands in for the public recipe of snappy in offline tests: the names are its own, the files are Debian's libsnappy-dev.
import subprocess

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration


class StandIn(ConanFile):
    name = "snappy"
    settings = "os", "compiler", "build_type", "arch"
    options = {"shared": [True, False], "fPIC": [True, False]}
    default_options = {"shared": True, "fPIC": True}

    def package_id(self):
        self.info.clear()

    def validate(self):
        found = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "libsnappy-dev"], capture_output=True, text=True).stdout
        if not found.startswith("1.1.9"):
            raise ConanInvalidConfiguration(f"this stand-in needs Debian's libsnappy-dev 1.1.9, found '{found}'")

    def package_info(self):
        self.cpp_info.set_property("cmake_target_name", "Snappy::snappy")
        self.cpp_info.set_property("pkg_config_name", "snappy")
        self.cpp_info.includedirs = self.cpp_info.libdirs = self.cpp_info.bindirs = []
        self.cpp_info.system_libs = ["snappy"]
