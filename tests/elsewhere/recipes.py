"""What our libraries are built with and without wherever they are built: of each what we use, and nothing that needs more."""

import os

from files import written

UV = ["-DLIBUV_BUILD_TESTS=OFF"]
JANSSON = ["-DJANSSON_BUILD_DOCS=OFF", "-DJANSSON_WITHOUT_TESTS=ON", "-DJANSSON_EXAMPLES=OFF"]
CMOCKA = ["-DWITH_STATIC_LIB=ON", "-DWITH_EXAMPLES=OFF", "-DUNIT_TESTING=OFF", "-DCMAKE_C_FLAGS=-w"]
ARCHIVE = ["-DENABLE_WERROR=OFF", "-DENABLE_TEST=OFF", "-DENABLE_TAR=OFF", "-DENABLE_CPIO=OFF", "-DENABLE_CAT=OFF",
           "-DENABLE_OPENSSL=OFF", "-DENABLE_NETTLE=OFF", "-DENABLE_LIBB2=OFF", "-DENABLE_LZ4=OFF", "-DENABLE_LZO=OFF",
           "-DENABLE_LZMA=OFF", "-DENABLE_ZSTD=OFF", "-DENABLE_ZLIB=OFF", "-DENABLE_BZip2=OFF", "-DENABLE_LIBXML2=OFF",
           "-DENABLE_EXPAT=OFF", "-DENABLE_PCREPOSIX=OFF", "-DENABLE_LIBGCC=OFF", "-DENABLE_CNG=OFF", "-DENABLE_ICONV=OFF",
           "-DENABLE_ACL=OFF", "-DENABLE_XATTR=OFF", "-DPOSIX_REGEX_LIB=NONE"]
CURL = ["-DHTTP_ONLY=ON", "-DCURL_ENABLE_SSL=OFF", "-DCURL_USE_LIBSSH2=OFF", "-DCURL_USE_LIBPSL=OFF", "-DCURL_ZLIB=OFF",
        "-DCURL_BROTLI=OFF", "-DCURL_ZSTD=OFF", "-DUSE_NGHTTP2=OFF", "-DUSE_LIBIDN2=OFF", "-DBUILD_CURL_EXE=OFF",
        "-DBUILD_TESTING=OFF", "-DENABLE_MANUAL=OFF"]


def describe(directory, name, prefix, library, needs):
    """The .pc file of one that has none of its own, or one that names what is not there."""
    written(os.path.join(directory, name + ".pc"), f"Name: {name}\nDescription: {name}\nVersion: 0\n"
                                                   f"Libs: -L{prefix}/lib -l{library} {needs}\nCflags: -I{prefix}/include\n")
