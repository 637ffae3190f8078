# SPDX-License-Identifier: BSL-1.0
# The Conan 2 recipe; its options are those of meson_options.txt.
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.gnu import PkgConfigDeps
from conan.tools.layout import basic_layout
from conan.tools.meson import Meson, MesonToolchain

# feature option: (requirement, what our package requires of it)
FEATURES = {
    "zstd": ("zstd/1.5.4", "zstd::zstd"),
    "lz4": ("lz4/1.9.4", "lz4::lz4"),
    "snappy": ("snappy/1.1.9", "snappy::snappy"),
    "zlib": ("zlib/1.2.13", "zlib::zlib"),
    "tls": ("openssl/[>=3.0 <4]", "openssl::openssl"),
}


class CokafkaConan(ConanFile):
    name = "cokafka"
    description = "A Kafka producer for C++20 coroutines on Boost.Asio"
    license = "BSL-1.0"
    topics = ("kafka", "asio", "coroutines", "producer")
    settings = "os", "compiler", "build_type", "arch"
    options = {"mode": ["headeronly", "compiled"], "fPIC": [True, False], **{name: [True, False] for name in FEATURES}}
    default_options = {"mode": "headeronly", "fPIC": True, **{name: False for name in FEATURES}}
    exports_sources = ("LICENSE", "meson.build", "meson_options.txt", "include/*", "tools/list_sources", "tools/meson/*",
                       "tools/*.cpp", "tests/meson.build", "examples/meson.build", "benchmarks/meson.build")
    package_type = "static-library"

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "include", "cokafka", "version.hpp"))
        self.version = re.search(r'COKAFKA_VERSION "([^"]+)"', text).group(1)

    @property
    def _header_only(self):
        return self.options.mode == "headeronly"

    def configure(self):
        if self._header_only:
            self.package_type = "header-library"
            self.options.rm_safe("fPIC")

    def layout(self):
        basic_layout(self)

    def requirements(self):
        self.requires("boost/1.81.0", transitive_headers=True, options={"header_only": True})
        for name, (requirement, _) in FEATURES.items():
            if self.options.get_safe(name):
                self.requires(requirement, transitive_headers=True, transitive_libs=True)

    def package_id(self):
        if self.info.options.mode == "headeronly":
            features = {name: self.info.options.get_safe(name) for name in FEATURES}
            self.info.settings.clear()
            for name, value in features.items():
                setattr(self.info.options, name, value)

    def validate(self):
        check_min_cppstd(self, 20)

    def generate(self):
        if self._header_only:
            return
        PkgConfigDeps(self).generate()
        toolchain = MesonToolchain(self)
        toolchain.project_options["mode"] = "compiled"
        for part in ("tests", "benchmarks", "examples"):
            toolchain.project_options[part] = "disabled"
        for name in FEATURES:
            toolchain.project_options[name] = "enabled" if self.options.get_safe(name) else "disabled"
        toolchain.generate()

    def build(self):
        if not self._header_only:
            meson = Meson(self)
            meson.configure()
            meson.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        for pattern in ("*.hpp", "*.ipp"):
            copy(self, pattern, os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))
        copy(self, "libcokafka.a", self.build_folder, os.path.join(self.package_folder, "lib"), keep_path=False)

    def package_info(self):
        self.cpp_info.set_property("pkg_config_name", "cokafka")
        self.cpp_info.bindirs = []
        self.cpp_info.defines = [f"COKAFKA_WITH_{name.upper()}=1" for name in FEATURES if self.options.get_safe(name)]
        self.cpp_info.requires = ["boost::headers"]
        self.cpp_info.requires += [needed for name, (_, needed) in FEATURES.items() if self.options.get_safe(name)]
        if self._header_only:
            self.cpp_info.libdirs = []
        else:
            self.cpp_info.defines.append("COKAFKA_SEPARATE_COMPILATION")
            self.cpp_info.libs = ["cokafka"]
        if self.settings.get_safe("os") in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
