"""Unit tests with cmocka."""

load("@rules_cc//cc:defs.bzl", "cc_test")

def c_test(name, srcs, deps = [], size = "small", **kwargs):
    """A cc_test with cmocka.

    It runs in a sandbox that has no network but loopback. $TEST_TMPDIR is its own, but too long a
    path for Unix sockets: these belong into a folder that mkdtemp makes below /tmp.

    Args:
      name: by custom the name of the file, "arena_test".
      srcs: the test, and helpers of its own.
      deps: what it tests.
      size: "small" ends within a minute, "medium" within five.
      **kwargs: whatever else cc_test takes, such as data, env and tags.
    """
    cc_test(
        name = name,
        size = size,
        srcs = srcs,
        deps = deps + ["//third_party/cmocka"],
        **kwargs
    )
