"""Fuzz targets with libFuzzer."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

def c_fuzz(name, srcs, corpus, deps = [], **kwargs):
    """A fuzz target, and a test that all of its corpus passes.

    `tests/fuzz/run NAME SECONDS` runs it; every other build only replays the corpus, as the test
    NAME_corpus_test. What a run finds becomes a file of the corpus, together with its mending.

    Args:
      name: by custom the name of the file, "config_fuzz".
      srcs: a file that defines LLVMFuzzerTestOneInput.
      corpus: its seeds, and what was found once; by custom glob(["corpus/config/**"]).
      deps: what it tests.
      **kwargs: whatever else cc_binary takes.
    """
    cc_library(
        name = name + "_target",
        testonly = True,
        srcs = srcs,
        alwayslink = True,
        deps = deps,
    )
    cc_binary(
        name = name,
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = [":" + name + "_target"],
        **kwargs
    )
    cc_test(
        name = name + "_corpus_test",
        size = "small",
        srcs = ["//tests/fuzz:replay.c"],
        args = ["$(location %s)" % file for file in corpus],
        data = corpus,
        deps = [":" + name + "_target"],
    )
