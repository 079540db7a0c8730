"""Stand-ins for the repositories that Bazel 4 would download even for a plain C program."""

def offline_repositories():
    """Declares them for Debian's Bazel, which has no version number; others fetch their own."""
    if native.bazel_version and native.bazel_version > "5":
        return
    native.local_repository(
        name = "rules_cc",
        path = "third_party/bazel/rules_cc",
    )
    native.local_repository(
        name = "rules_java",
        path = "third_party/bazel/rules_java",
    )
    native.local_repository(
        name = "remote_coverage_tools",
        path = "third_party/bazel/coverage_tools",
    )
