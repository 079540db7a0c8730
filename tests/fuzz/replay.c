/* Runs a fuzz target on files: the corpus is a test wherever libFuzzer is not. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUT_BYTES = 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;
    size_t size;

    if (file == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    printf("%s\n", path);
    fflush(stdout);
    data = malloc(INPUT_BYTES);
    if (data != NULL) {
        size = fread(data, 1, INPUT_BYTES, file);
        LLVMFuzzerTestOneInput(data, size);
    }
    fclose(file);
    free(data);
    return data == NULL;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;

    for (int i = 1; i < argc; i++) {
        failed |= replay(argv[i]);
    }
    return failed;
}
