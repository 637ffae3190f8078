# SPDX-License-Identifier: BSL-1.0
# Stands in for the public recipe of boost in offline tests: the names are its own, the files are Debian's libboost1.81-dev.
import subprocess

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration


class StandIn(ConanFile):
    name = "boost"
    settings = "os", "compiler", "build_type", "arch"
    options = {"header_only": [True, False]}
    default_options = {"header_only": False}

    def package_id(self):
        self.info.clear()

    def validate(self):
        found = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "libboost1.81-dev"], capture_output=True, text=True).stdout
        if not found.startswith("1.81"):
            raise ConanInvalidConfiguration(f"this stand-in needs Debian's libboost1.81-dev 1.81, found '{found}'")

    def package_info(self):
        headers = self.cpp_info.components["headers"]
        headers.set_property("cmake_target_name", "Boost::headers")
        headers.includedirs = headers.libdirs = headers.bindirs = []
