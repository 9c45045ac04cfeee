/* --config: a file gives the options of the command line, as written, and one sentence for each mistake. */
#include <stdlib.h>
#include <sys/stat.h>

#include "options_fixture.h"

/* Writes the bytes to a file, and parses "--config FILE" and the words of `line`. */
static enum options_outcome parse_bytes(const void *bytes, size_t size, const char *line)
{
    char file[] = "/tmp/test_options.XXXXXX", words[1024];
    int descriptor = mkstemp(file);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes, size), size);
    close(descriptor);
    snprintf(words, sizeof words, "%s --config %s", line, file);
    enum options_outcome outcome = parse(words);
    unlink(file);
    if (strstr(printed, "without libconfig"))
        skip();
    return outcome;
}

static enum options_outcome parse_with(const char *text, const char *line)
{
    return parse_bytes(text, strlen(text), line);
}

static void a_file_gives_the_same_options(void **state)
{
    (void)state;
    assert_int_equal(parse_with("# a comment\nbatch-size = 64;\nlearning-rate = 0.25; ema-decay = 1\ntower = \"openblas\"\n"
                                "no-graph = true; force = false; seed = 5000000000L; conv = \"direct\"\n", "train"), OPTIONS_RUN);
    assert_int_equal(options.batch_size, 64);
    assert_true(options.learning_rate == 0.25 && options.ema_decay == 1);
    assert_string_equal(options.tower, "openblas");
    assert_true(options.no_graph && !options.force);
    assert_int_equal(options.seed, 5000000000);
    assert_int_equal(options.conv, CONVOLUTION_DIRECT);
    assert_false(is_default("batch-size") || is_default("tower"));
    assert_true(is_default("keep"));
    assert_int_equal(parse_with("", ""), OPTIONS_RUN);
    assert_int_equal(options.batch_size, 128);
    assert_int_equal(parse_with("learning-rate = 0.30000000000000004", ""), OPTIONS_RUN); /* 17 digits are read, not 15 */
    assert_true(options.learning_rate == 0.1 + 0.2);
}

static void the_line_overrides_a_file(void **state)
{
    (void)state;
    assert_int_equal(parse_with("batch-size = 64; seed = 9", "--batch-size 32"), OPTIONS_RUN);
    assert_int_equal(options.batch_size, 32);
    assert_int_equal(options.seed, 9);
    assert_int_equal(parse_with("epochs = 3", "--max-steps 5"), OPTIONS_RUN);
    assert_int_equal(options.max_steps, 5);
    assert_true(options.epochs == 0);
    assert_int_equal(parse_with("checkpoint = \"c.h5\"", "eval --train-dir d"), OPTIONS_RUN);
    assert_string_equal(options.checkpoint, "");
    assert_int_equal(parse_with("checkpoint-dir = \"c\"", "eval --train-dir d"), OPTIONS_RUN);
    assert_string_equal(options.train_dir, "d");
    assert_int_equal(parse_with("model = \"other\"; batch-size = 2", "--learning-rate 3"), OPTIONS_RUN); /* override the recipe */
    assert_int_equal(options.batch_size, 2);
    assert_true(options.epochs == 9.9 && options.learning_rate == 3);
    assert_int_equal(parse_with("deterministic = true; no-graph = true", "--deterministic=no"), OPTIONS_RUN);
    assert_true(!options.deterministic && options.no_graph);
    assert_int_equal(parse_with("deterministic = false", "--deterministic"), OPTIONS_RUN);
    assert_true(options.deterministic);
    assert_int_equal(parse_with("keep-best = true; checkpoint = \"c.h5\"", "eval --keep-best=no"), OPTIONS_RUN);
    assert_string_equal(options.checkpoint, "c.h5");
}

static void groups_are_for_one_command(void **state)
{
    static const char file[] = "data = \"x.h5\"\ntrain: { seed = 4; keep = 0 }\neval: { split = \"train\" }\n";
    (void)state;
    assert_int_equal(parse_with(file, "train"), OPTIONS_RUN);
    assert_int_equal(options.seed, 4);
    assert_string_equal(options.data, "x.h5");
    assert_int_equal(parse_with(file, "eval"), OPTIONS_RUN);
    assert_string_equal(options.split, "train");
    assert_string_equal(options.eval_data, "x.h5");
}

/* Files with a mistake, and what the sentence about each must contain besides the file's name. */
static void mistakes_in_a_file_are_placed(void **state)
{
    static const char *const files[][2] = {
        {"batch-size = 64\nmax-steps = 0", ": line 2: --max-steps '0' is not a whole number from 1 to"},
        {"\n\nbatch_size = 64", ": line 3: train has no flag --batch_size; did you mean --batch-size?"},
        {"batch-size = 6.5", ": line 1: --batch-size '6.5' is not a whole number"},
        {"tower = \"abacus\"", ": line 1: --tower 'abacus' is none of auto|"},
        {"tower = true", ": line 1: --tower needs a value (NAME"},
        {"no-graph = \"yes\"", ": line 1: --no-graph is either true or false"},
        {"seed = [1, 2]", ": line 1: --seed needs one value"},
        {"seed = 1\nconfig = \"x\"", ": line 2: a file cannot name another one"},
        {"run-once = true", ": line 1: train has no flag --run-once, but eval has"},
        {"train: { seed = 1;\n run-once = true }", ": line 2: train has no flag --run-once"},
        {"trian: { seed = 1 }", ": line 1: there is no command 'trian'; did you mean train?"},
        {"seed = 1\nkeep 2", ": line 2: syntax error"},
        {"keep = 1\nseed = 9223372036854775808;", ": line 2: 9223372036854775808 is not a whole number of 64 bits"},
        {"/*\n*/ keep = 1; seed = -9223372036854775809L;", ": line 2: -9223372036854775809 is not a whole number of 64 bits"},
        {"data = \"\n1\"\nseed = 0xFFFFFFFFFFFFFFFF", ": line 3: 0xFFFFFFFFFFFFFFFF is not a whole number of 64 bits"},
        {"max-steps = 4294967297", ": line 1: --max-steps '4294967297' is not a whole number from 1 to"},
        {"seed = 9007199254740993.0", ": line 1: --seed '9007199254740992.0' is not a whole number"},
        {"seed = 12 34", ": line 1: syntax error"},
        {"train-dir = 007", ": line 1: --train-dir needs a text in quotes (DIR"},
        {"data = \"a\\x00b\"", ": line 1: there is a NUL character in a string"},
        {"seed = 1\n@include \"/tmp\"", ": line 2: @include is not allowed"},
        {"seed = 1; \t@include \"x\"", ": line 1: @include is not allowed"},
        {"epochs = 0", ": --epochs '0' is not a number above 0"},
        {"max-steps = 3; epochs = 2", ": --max-steps and --epochs exclude each other"}};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (parse_with(files[i][0], "train --seed 8") != OPTIONS_WRONG || !strstr(printed, files[i][1]))
            fail_msg("'%s' gets: %s", files[i][0], printed);
        assert_ptr_equal(strchr(printed, '\n'), printed + strlen(printed) - 1);
    }
    assert_int_equal(parse("--config /nowhere/x"), OPTIONS_WRONG);
    assert_non_null(strstr(printed, "/nowhere/x"));
    assert_int_equal(parse("--config /tmp"), OPTIONS_WRONG);
    assert_non_null(strstr(printed, "/tmp"));
}

/* libconfig 1.5 cuts a number without the suffix L to 32 bits. */
static void whole_numbers_keep_64_bits(void **state)
{
    static const struct {
        const char *text;
        int64_t seed, keep;
    } files[] = {
        {"seed = 5000000000;", 5000000000, 5}, {"seed=5000000000 keep=7", 5000000000, 7},
        {"keep: +7; seed: 0x12A05f200", 5000000000, 7}, {"seed = 0X12A05F200LL, keep = 7LL", 5000000000, 7},
        {"train: { seed = 999999999999999999L } keep = 0", 999999999999999999, 0}, {"seed = 4294967297", 4294967297, 5},
        {"keep = 3 # seed = 1 \"\nseed = 2147483648 // 9\n", 2147483648, 3}, {"keep = 007 /* 9 * / */ seed = -0", 0, 7},
        {"train-dir = \"a 1\" \"\\\" seed = 3 \\\\\" seed = 4294967296 # the end", 4294967296, 5},
        {"learning-rate = 1.5e0 ema-decay = .5 epochs = 7e0 lr-decay-epochs = 2. seed = 4294967299 keep = 1", 4294967299, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (parse_with(files[i].text, "train") != OPTIONS_RUN || options.seed != files[i].seed || options.keep != files[i].keep)
            fail_msg("'%s' gives %lld and %lld; %s", files[i].text, (long long)options.seed, (long long)options.keep, printed);
    assert_true(options.learning_rate == 1.5 && options.ema_decay == 0.5 && options.epochs == 7 && options.lr_decay_epochs == 2);
    assert_int_equal(parse_with(files[8].text, "train"), OPTIONS_RUN);
    assert_string_equal(options.train_dir, "a 1\" seed = 3 \\");
    assert_int_equal(parse_with("train-dir = \"5000000000 @include /* # \" keep = 2", "train"), OPTIONS_RUN);
    assert_string_equal(options.train_dir, "5000000000 @include /* # ");
    assert_int_equal(options.keep, 2);
    assert_int_equal(parse_with("seed = 12\r\n# @include \"x\"\r\nepochs = 3\r\n", "train"), OPTIONS_RUN);
    assert_true(options.seed == 12 && options.epochs == 3);
}

/* The program must not wait for the writer of a pipe: if it does, alarm() ends the test. */
static void only_a_small_regular_file_is_read(void **state)
{
    enum { MOST = 1 << 20 };
    static char text[MOST + 1];
    (void)state;
    char fifo[] = "/tmp/test_config.XXXXXX", line[64];
    assert_non_null(mkdtemp(fifo));
    assert_int_equal(rmdir(fifo) + mkfifo(fifo, 0600), 0);
    snprintf(line, sizeof line, "--config %s", fifo);
    alarm(5);
    enum options_outcome outcome = parse(line);
    alarm(0);
    unlink(fifo);
    assert_int_equal(outcome, OPTIONS_WRONG);
    assert_non_null(strstr(printed, "not a regular file"));
    assert_int_equal(parse("--config /dev/zero"), OPTIONS_WRONG);
    assert_non_null(strstr(printed, "not a regular file"));
    memset(text, '\n', sizeof text);
    memcpy(text + MOST - 8, "seed = 3", 8);
    assert_int_equal(parse_bytes(text, MOST, ""), OPTIONS_RUN);
    assert_int_equal(options.seed, 3);
    memset(text + 100, '=', 5000);
    assert_int_equal(parse_bytes(text, MOST, ""), OPTIONS_WRONG); /* at once: libconfig takes a minute for 90,000 */
    assert_non_null(strstr(printed, ": line 101: there are more than 4096 settings"));
    assert_int_equal(parse_bytes(text, MOST + 1, ""), OPTIONS_WRONG);
    assert_non_null(strstr(printed, "more than 1048576 bytes"));
    assert_int_equal(parse_bytes("seed = 3;\n\0keep = 1", 20, ""), OPTIONS_WRONG);
    assert_non_null(strstr(printed, ": line 2: there is a NUL byte"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gives_the_same_options), cmocka_unit_test(the_line_overrides_a_file),
        cmocka_unit_test(groups_are_for_one_command),    cmocka_unit_test(mistakes_in_a_file_are_placed),
        cmocka_unit_test(whole_numbers_keep_64_bits),    cmocka_unit_test(only_a_small_regular_file_is_read),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
