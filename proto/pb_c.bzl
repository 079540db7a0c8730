"""Makes C of .proto files with protobuf-c, in the build.

All .proto files belong to the one package //proto and import each other by their path below
proto/. Files below google/protobuf/ come from the system and need not be listed.
"""

load("@rules_cc//cc:defs.bzl", "cc_library")

_USERS = ["//:proto_users"]

def pb_c_library(name, srcs = [], system_srcs = [], deps = [], visibility = _USERS):
    """A library with the protobuf-c code of some .proto files.

    For "flowbalancer/v1/context.proto" it has the header "flowbalancer/v1/context.pb-c.h".

    Args:
      name: of the cc_library.
      srcs: .proto files of this package, such as "flowbalancer/v1/context.proto".
      system_srcs: .proto files below /usr/include, such as "google/protobuf/descriptor.proto".
      deps: the pb_c_library of every file that is imported.
      visibility: by default everything that may depend on proto/.
    """
    stems = [src[:-len(".proto")] for src in srcs + system_srcs]
    sources = [stem + ".pb-c.c" for stem in stems]
    headers = [stem + ".pb-c.h" for stem in stems]
    inputs = name + "_protos"
    roots = ["-I/usr/include"] + (["-Iproto"] if srcs else [])

    native.filegroup(
        name = inputs,
        srcs = srcs + [dep + "_protos" for dep in deps],
        visibility = ["//visibility:private"],
    )
    native.genrule(
        name = name + "_gen",
        srcs = [":" + inputs],
        outs = sources + headers,
        cmd = " ".join(["protoc-c"] + roots + ["--c_out=$(RULEDIR)"] + srcs + system_srcs),
        visibility = ["//visibility:private"],
    )
    cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        copts = ["-w"],
        includes = ["."],
        visibility = visibility,
        deps = deps + ["//third_party/protobuf_c"],
    )

def pb_descriptor_set(name, deps, visibility = _USERS):
    """A library with the binary descriptor set of some .proto files and all they import.

    Its header is "<name>.h" with `const unsigned char <name>[]` and `const size_t <name>_size`.

    Args:
      name: of the cc_library and of the array.
      deps: the pb_c_library targets whose .proto files are described.
      visibility: by default everything that may depend on proto/.
    """
    native.genrule(
        name = name + "_gen",
        srcs = [dep + "_protos" for dep in deps],
        outs = [name + ".bin", name + ".c", name + ".h"],
        cmd = """
protoc -Iproto -I/usr/include --include_imports --descriptor_set_out=$(RULEDIR)/{name}.bin $(SRCS)
{{
    echo '#include "{name}.h"'
    echo 'const unsigned char {name}[] = {{'
    od -An -v -tu1 $(RULEDIR)/{name}.bin | sed 's/[0-9][0-9]*/&,/g'
    echo '}};'
    echo 'const size_t {name}_size = sizeof({name});'
}} > $(RULEDIR)/{name}.c
{{
    echo '#ifndef FB_PROTO_{upper}_H'
    echo '#define FB_PROTO_{upper}_H'
    echo '#include <stddef.h>'
    echo "extern const unsigned char {name}[$$(stat -c %s $(RULEDIR)/{name}.bin)];"
    echo 'extern const size_t {name}_size;'
    echo '#endif'
}} > $(RULEDIR)/{name}.h
""".format(name = name, upper = name.upper()),
        visibility = ["//visibility:private"],
    )
    cc_library(
        name = name,
        srcs = [name + ".c"],
        hdrs = [name + ".h"],
        includes = ["."],
        visibility = visibility,
    )
