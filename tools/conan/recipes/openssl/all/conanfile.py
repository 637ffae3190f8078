# SPDX-License-Identifier: BSL-1.0
# Stands in for the public recipe of openssl in offline tests: the names are its own, the files are Debian's libssl-dev.
import subprocess

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration


class StandIn(ConanFile):
    name = "openssl"
    settings = "os", "compiler", "build_type", "arch"
    options = {"shared": [True, False], "fPIC": [True, False]}
    default_options = {"shared": True, "fPIC": True}

    def package_id(self):
        self.info.clear()

    def validate(self):
        found = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "libssl-dev"], capture_output=True, text=True).stdout
        if not found.startswith("3.0"):
            raise ConanInvalidConfiguration(f"this stand-in needs Debian's libssl-dev 3.0, found '{found}'")

    def package_info(self):
        self.cpp_info.set_property("pkg_config_name", "openssl")
        for name, library, target in (("crypto", "crypto", "OpenSSL::Crypto"), ("ssl", "ssl", "OpenSSL::SSL")):
            component = self.cpp_info.components[name]
            component.set_property("cmake_target_name", target)
            component.set_property("pkg_config_name", f"lib{name}")
            component.includedirs = component.libdirs = component.bindirs = []
            component.system_libs = [library]
        self.cpp_info.components["ssl"].requires = ["crypto"]
