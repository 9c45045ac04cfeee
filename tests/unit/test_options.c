/* The command line: defaults, values, and one sentence for each mistake. */
#include "options_fixture.h"

/* The tutorial's flags keep the tutorial's values (cifar10_train.py, cifar10.py). */
static void defaults_are_the_tutorials(void **state)
{
    (void)state;
    assert_int_equal(parse(""), OPTIONS_RUN);
    assert_int_equal(options.command, COMMAND_TRAIN);
    assert_int_equal(options.batch_size, 128);
    assert_int_equal(options.log_frequency, 10);
    assert_int_equal(options.checkpoint_secs, 600);
    assert_true(options.learning_rate == 0.1 && options.lr_decay_factor == 0.1);
    assert_true(options.lr_decay_epochs == 350 && options.ema_decay == 0.9999);
    assert_string_equal(options.data, "data/cifar10.h5");
    assert_string_equal(options.tower, "auto");
    assert_int_equal(options.max_steps, 100000);
    assert_true(options.epochs == 0 && options.seed == 1);
    assert_int_equal(parse("eval"), OPTIONS_RUN);
    assert_int_equal(options.command, COMMAND_EVAL);
    assert_int_equal(options.eval_interval_secs, 300);
    assert_false(options.run_once);
    assert_string_equal(options.split, "test");
}

static void values_are_read(void **state)
{
    (void)state;
    assert_int_equal(parse("train --batch-size=64 --max-steps 7 --learning-rate 2.5e-1 --tower openblas --seed 0"),
                     OPTIONS_RUN);
    assert_int_equal(options.batch_size, 64);
    assert_int_equal(options.max_steps, 7);
    assert_true(options.learning_rate == 0.25);
    assert_string_equal(options.tower, "openblas");
    assert_int_equal(options.seed, 0);
    assert_int_equal(parse("--max-steps 1 --max-steps 9"), OPTIONS_RUN); /* the last one counts */
    assert_int_equal(options.max_steps, 9);
    assert_int_equal(parse("predict a.png --no-ema --checkpoint c.h5 b.jpg -- --odd.png"), OPTIONS_RUN);
    assert_true(options.no_ema);
    assert_string_equal(options.checkpoint, "c.h5");
    assert_int_equal(options.file_count, 3);
    assert_string_equal(options.files[0], "a.png");
    assert_string_equal(options.files[1], "b.jpg");
    assert_string_equal(options.files[2], "--odd.png");
    const char *const names[] = {"eval --train-dir d", "eval --checkpoint-dir d", "predict --train-dir d a.png"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(parse(names[i]), OPTIONS_RUN);
        assert_string_equal(options.train_dir, "d");
        assert_string_equal(options.eval_data, ""); /* the run's */
    }
    assert_int_equal(parse("eval --data x.h5 --keep-best --verbose"), OPTIONS_RUN);
    assert_string_equal(options.eval_data, "x.h5");
    assert_true(options.keep_best && options.verbose);
    assert_int_equal(parse("pack --from somewhere out.h5"), OPTIONS_RUN);
    assert_string_equal(options.files[0], "out.h5");
}

/* A switch stands alone, or has the value yes or no. A switch that is off excludes nothing. */
static void switches_take_yes_or_no(void **state)
{
    (void)state;
    assert_int_equal(parse("--deterministic=yes --no-graph --no-graph=no --force=no"), OPTIONS_RUN);
    assert_true(options.deterministic && !options.no_graph && !options.force);
    assert_int_equal(parse("eval --no-ema --checkpoint a --keep-best=no"), OPTIONS_RUN);
    assert_true(options.no_ema && !options.keep_best);
    assert_string_equal(options.checkpoint, "a");
    assert_int_equal(parse("pack --from a --download=no b.h5"), OPTIONS_RUN);
    assert_int_equal(parse("pack --from a --download=yes b.h5"), OPTIONS_WRONG);
}

/* Each word of a choice, in the order of its enum. */
static void choices_are_enums(void **state)
{
    (void)state;
    assert_int_equal(parse("--conv direct --precision bf16 --allreduce mpi-cuda --on-nan rollback"), OPTIONS_RUN);
    assert_int_equal(options.conv, CONVOLUTION_DIRECT);
    assert_int_equal(options.precision, PRECISION_BF16);
    assert_int_equal(options.allreduce, ALLREDUCE_MPI_CUDA);
    assert_int_equal(options.on_nan, ON_NAN_ROLLBACK);
    assert_int_equal(parse("--conv winograd --precision tf32 --allreduce tree --on-nan skip"), OPTIONS_RUN);
    assert_int_equal(options.conv, CONVOLUTION_WINOGRAD);
    assert_int_equal(options.precision, PRECISION_TF32);
    assert_int_equal(options.allreduce, ALLREDUCE_TREE);
    assert_int_equal(options.on_nan, ON_NAN_SKIP);
    assert_int_equal(parse("--allreduce mpi"), OPTIONS_RUN);
    assert_int_equal(options.allreduce, ALLREDUCE_MPI);
    assert_int_equal(options.conv, CONVOLUTION_AUTO);
    assert_int_equal(options.precision, PRECISION_FP32);
    assert_int_equal(options.on_nan, ON_NAN_STOP);
    assert_int_equal(parse("--allreduce nccl"), OPTIONS_RUN);
    assert_int_equal(options.allreduce, ALLREDUCE_NCCL);
    assert_int_equal(parse("pack --from a b.h5"), OPTIONS_RUN);
    assert_int_equal(options.resize, RESIZE_CROP);
    assert_int_equal(parse("pack --from a --resize squash b.h5"), OPTIONS_RUN);
    assert_int_equal(options.resize, RESIZE_SQUASH);
    assert_int_equal(parse("predict a.png"), OPTIONS_RUN);
    assert_int_equal(options.predict_resize, RESIZE_AUTO);
    assert_int_equal(parse("predict --resize crop a.png"), OPTIONS_RUN);
    assert_int_equal(options.predict_resize, RESIZE_CROP);
}

/* Mistakes, and what the sentence about each must contain. */
static const struct {
    const char *line, *named[3];
} mistakes[] = {
    {"--batch-size=0", {"--batch-size", "'0'", "from 1 to"}},
    {"--batch-size -128", {"--batch-size", "'-128'", "from 1 to"}},
    {"--batch-size 1e2", {"--batch-size", "'1e2'", "whole number"}},
    {"--batch-size 99999999999999999999", {"--batch-size", "99999999999999999999", "to 100000000"}},
    {"--max-steps -5", {"--max-steps", "'-5'", "from 1 to"}},
    {"--max-steps", {"--max-steps", "needs a value", ""}},
    {"--learning-rate nan", {"--learning-rate", "'nan'", "from 1e-12 to"}},
    {"--learning-rate inf", {"--learning-rate", "'inf'", "from 1e-12 to"}},
    {"--learning-rate 0x1", {"--learning-rate", "'0x1'", "from 1e-12 to"}},
    {"--learning-rate -0.1", {"--learning-rate", "'-0.1'", "from 1e-12 to"}},
    {"--learning-rate 0", {"--learning-rate", "'0'", "from 1e-12 to"}},
    {"--epochs 0", {"--epochs", "'0'", "above 0"}},
    {"--epochs 0.0", {"--epochs", "'0'", "above 0"}},
    {"--ema-decay 1.5", {"--ema-decay", "'1.5'", "from 0 to 1"}},
    {"--slices 3x", {"--slices", "'3x'", "whole number"}},
    {"--slices=", {"--slices", "''", "whole number"}},
    {"--data=", {"--data", "not empty", ""}},
    {"--tower gpu", {"--tower", "'gpu'", "auto|cudnn|onednn|openblas"}},
    {"--tower auto|cudnn", {"--tower", "'auto|cudnn'", ""}},
    {"--tower cud", {"--tower", "'cud'", ""}},
    {"--max-steps 5 --epochs 2", {"--max-steps", "--epochs", ""}},
    {"--batch_size=128", {"--batch_size", "did you mean --batch-size", ""}},
    {"--frobnicate", {"--frobnicate", "--help", ""}},
    {"--run-once", {"train has no flag --run-once", "eval has", "eval --help"}},
    {"--run_once", {"train has no flag --run_once", "eval has", ""}},
    {"-x", {"-x", "--help", ""}},
    {"-lr 0.1", {"no flag -lr", "did you mean --learning-rate?", ""}},
    {"--lr 0.1", {"did you mean --learning-rate?", "", ""}},
    {"--bs=5", {"no flag --bs;", "did you mean --batch-size?", ""}},
    {"--batchsize 5", {"did you mean --batch-size?", "", ""}},
    {"--lr_decay 5", {"did you mean --lr-decay-factor?", "", ""}},
    {"--steps 5", {"did you mean --max-steps?", "", ""}},
    {"--num-epochs 5", {"did you mean --epochs?", "", ""}},
    {"--laerning-rate 1", {"did you mean --learning-rate?", "", ""}},
    {"--wd 1", {"no flag --wd", "fixed for each layer by the model", "0.004"}},
    {"--sead 1", {"did you mean --seed?", "", ""}},
    {"--xyz 1", {"no flag --xyz;", "lists them", ""}},
    {"--num-gpus 2", {"the number of ranks", "mpirun -np N", ""}},
    {"eval --log-dir x", {"here it is --train-dir DIR", "", ""}},
    {"eval --lr 1", {"eval has no flag --lr", "lists them", ""}},
    {"trian", {"'trian'", "did you mean train?", ""}},
    {"evaluate", {"'evaluate'", "did you mean eval?", ""}},
    {"test", {"'test'", "did you mean eval?", ""}},
    {"help trian", {"'trian'", "did you mean train?", ""}},
    {"--train-dir x eval", {"the command comes first", "./cifar10_mpi eval", ""}},
    {"unheard-of", {"'unheard-of'", "inspect", ""}},
    {"train stray", {"train", "'stray'", "--help"}},
    {"eval x.h5", {"./cifar10_mpi eval --checkpoint x.h5", "", ""}},
    {"train x.h5", {"./cifar10_mpi train --data x.h5", "", ""}},
    {"eval --run-once=False", {"--run-once", "'False'", "neither yes nor no"}},
    {"eval --run-once=", {"--run-once", "''", "neither yes nor no"}},
    {"eval --run-once no", {"'no'", "", ""}},
    {"eval --split valid", {"--split", "'valid'", "test|train"}},
    {"eval --checkpoint a --checkpoint-dir b", {"--checkpoint", "--checkpoint-dir", ""}},
    {"predict --checkpoint a --train-dir b c.png", {"--checkpoint", "--train-dir", ""}},
    {"eval --train-dir a --checkpoint-dir b", {"--train-dir", "--checkpoint-dir", "exclude each other"}},
    {"eval --checkpoint a --keep-best", {"--checkpoint", "--keep-best", ""}},
    {"pack --from x", {"pack needs a file (OUT.h5)", "./cifar10_mpi pack --from x data/", ".h5"}},
    {"pack", {"pack needs a file (OUT.h5)", "./cifar10_mpi pack --download data/cifar10.h5", ""}},
    {"pack out.h5", {"pack needs a source", "./cifar10_mpi pack --from DIRECTORY-OR-ARCHIVE out.h5", "--download"}},
    {"pack data.tar.gz", {"./cifar10_mpi pack --from data.tar.gz data/", ".h5", ""}},
    {"pack images out.h5", {"./cifar10_mpi pack --from images out.h5", "", ""}},
    {"pack --from x --download out.h5", {"--from", "--download", ""}},
    {"pack --from x --url u out.h5", {"--url", "--download", ""}},
    {"pack --from x a.h5 b.h5", {"pack", "'b.h5'", ""}},
    {"inspect", {"inspect", "FILE.h5", ""}},
    {"report", {"report needs a directory (DIR)", "./cifar10_mpi report runs/cifar10", ""}},
    {"report a b", {"report", "'b'", ""}},
    {"compare --target-precision 2 a", {"--target-precision '2'", "0 to 1", ""}},
    {"predict --no-ema", {"predict", "IMAGE", ""}},
};

static void mistakes_get_one_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        if (parse(mistakes[i].line) != OPTIONS_WRONG)
            fail_msg("'%s' is accepted", mistakes[i].line);
        if (strchr(printed, '\n') != printed + strlen(printed) - 1)
            fail_msg("'%s' gets other than one line: %s", mistakes[i].line, printed);
        for (int j = 0; j < 3 && mistakes[i].named[j]; j++)
            if (!strstr(printed, mistakes[i].named[j]))
                fail_msg("'%s': '%s' is not named in: %s", mistakes[i].line, mistakes[i].named[j], printed);
    }
}

static void long_texts_are_refused(void **state)
{
    (void)state;
    char line[4096] = "--data ";
    memset(line + strlen(line), 'x', OPTION_TEXT);
    assert_int_equal(parse(line), OPTIONS_WRONG);
    assert_non_null(strstr(printed, "--data"));
    line[strlen("--data ") + OPTION_TEXT - 1] = '\0';
    assert_int_equal(parse(line), OPTIONS_RUN);
    assert_int_equal(strlen(options.data), OPTION_TEXT - 1);
}

/* For each flag of the tutorial's programs (cifar10_train.py, cifar10_multi_gpu_train.py, cifar10_eval.py, cifar10.py) the sentence
 * gives its name in this program. */
static void tutorial_flags_are_answered(void **state)
{
    static const char *const words[][2] = {
        {"--train_dir", "--train-dir"}, {"--max_steps", "--max-steps"}, {"--log_device_placement", "first lines"},
        {"--log_frequency", "--log-frequency"}, {"--batch_size", "--batch-size"}, {"--data_dir", "--data FILE"},
        {"--use_fp16", "--precision bf16"}, {"--num_gpus", "mpirun -np N"}, {"eval --eval_dir", "--train-dir"},
        {"eval --eval_data", "--split test|train"}, {"eval --checkpoint_dir", "--checkpoint-dir"},
        {"eval --eval_interval_secs", "--eval-interval-secs"}, {"eval --num_examples", "--num-examples"},
        {"eval --run_once", "--run-once"}, {"eval --batch_size", "--batch-size"}, {"eval --data_dir", "--data FILE"}};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert_int_equal(parse(words[i][0]), OPTIONS_WRONG);
        if (!strstr(printed, words[i][1]) || strstr(printed, "lists them"))
            fail_msg("%s is not told of %s: %s", words[i][0], words[i][1], printed);
    }
}

/* Each command's help fits a screen of 80 x 50, and shows every option with its default. */
static void help_fits_a_screen(void **state)
{
    static const char *const lines[] = {"--help", "train --help", "eval --help", "pack --help", "predict --help",
                                        "inspect --help", "bench --help", "report --help", "compare --help", "-h"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int rows = 0;
        assert_int_equal(parse(lines[i]), OPTIONS_DONE);
        assert_non_null(strstr(printed, "./cifar10_mpi help"));
        for (char *line = printed, *end; (end = strchr(line, '\n')); line = end + 1, rows++)
            if (end - line > 80)
                fail_msg("%s: %.*s", lines[i], (int)(end - line), line);
        assert_in_range(rows, 4, 50);
    }
    parse("--help");
    assert_non_null(strstr(printed, "--batch-size N            images per rank and step [128]\n"));
    parse("predict --help");
    assert_non_null(strstr(printed, "\n  --resize HOW              how pictures become square, auto = as in training:\n"
                                    "                            auto|crop|squash [auto]\n"));
}

/* The usual flags come first, in their own group; help without a command shows only these. */
static void help_has_two_groups(void **state)
{
    (void)state;
    assert_int_equal(parse("train --help"), OPTIONS_DONE);
    const char *usual = strstr(printed, "\nUsual flags:\n"), *expert = strstr(printed, "\nFlags for experts:\n");
    const char *rate = strstr(printed, "--learning-rate"), *parity = strstr(printed, "--parity-steps");
    assert_true(usual && rate && expert && parity);
    assert_true(usual < rate && rate < expert && expert < parity);
    assert_int_equal(parse("--help"), OPTIONS_DONE);
    assert_non_null(strstr(printed, "--learning-rate"));
    assert_non_null(strstr(printed, "  predict  "));
    assert_null(strstr(printed, "--parity-steps"));
}

/* All ways to ask for help or the version. Other mistakes in the line do not matter then. */
static void help_is_had_in_many_ways(void **state)
{
    static const char *const same[][2] = {{"help", "--help"}, {"-h", "--help"}, {"help eval", "eval --help"},
        {"eval help", "eval --help"}, {"eval -h", "eval --help"}, {"eval --lr 3 --help", "eval --help"},
        {"--batch-size 0 --help", "--help"}, {"-v", "--version"}, {"-V", "--version"}, {"train --version", "--version"}};
    char expected[sizeof printed];
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(parse(same[i][1]), OPTIONS_DONE);
        memcpy(expected, printed, sizeof expected);
        if (parse(same[i][0]) != OPTIONS_DONE || strcmp(printed, expected))
            fail_msg("'%s' prints other than '%s': %s", same[i][0], same[i][1], printed);
    }
    parse("--version");
    assert_string_equal(printed, "cifar10_mpi " VERSION "\n");
    assert_int_equal(parse("predict -- --help"), OPTIONS_RUN); /* a file of that name */
}

static void texts_tell_what_was_changed(void **state)
{
    const char *name;
    char value[OPTION_TEXT];
    bool is_default;
    int count = 0, changed = 0;
    (void)state;
    assert_int_equal(parse("eval --num-examples 997 --no-ema --batch-size 128"), OPTIONS_RUN);
    for (; options_text(&options, count, &name, value, sizeof value, &is_default); count++) {
        changed += !is_default;
        if (strcmp(name, "num-examples") == 0)
            assert_string_equal(value, "997");
        else if (strcmp(name, "no-ema") == 0)
            assert_string_equal(value, "yes");
        else if (!is_default)
            fail_msg("--%s %s is not its default", name, value);
    }
    assert_int_equal(changed, 2);
    assert_in_range(count, 10, 20);
    for (int i = 0; parse(""), options_text(&options, i, &name, value, sizeof value, &is_default); i++)
        assert_true(is_default);
}

/* ---- recipes ---- */

static void a_models_recipe_has_the_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse("--model other"), OPTIONS_RUN);
    assert_int_equal(options.batch_size, 1024);
    assert_true(options.epochs == 9.9 && options.learning_rate == 1.5 && options.ema_decay == 0.5);
    assert_int_equal(options.keep, 5);
    assert_true(is_default("batch-size") && is_default("epochs") && !is_default("model"));
    assert_int_equal(parse("--batch-size 64 --epochs 2 --model other"), OPTIONS_RUN);
    assert_int_equal(options.batch_size, 64);
    assert_true(options.epochs == 2 && options.learning_rate == 1.5);
    assert_false(is_default("batch-size") || is_default("epochs"));
    assert_int_equal(parse("--max-steps 5 --model other"), OPTIONS_RUN); /* overrides the recipe's epochs */
    assert_int_equal(options.max_steps, 5);
    assert_true(options.epochs == 0 && is_default("epochs"));
    assert_int_equal(parse("--model unheard-of"), OPTIONS_RUN); /* the command reports it, not the parser */
    assert_int_equal(options.batch_size, 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_tutorials), cmocka_unit_test(values_are_read),
        cmocka_unit_test(choices_are_enums),          cmocka_unit_test(switches_take_yes_or_no),
        cmocka_unit_test(mistakes_get_one_sentence),  cmocka_unit_test(long_texts_are_refused),
        cmocka_unit_test(tutorial_flags_are_answered), cmocka_unit_test(help_fits_a_screen),
        cmocka_unit_test(help_has_two_groups),        cmocka_unit_test(help_is_had_in_many_ways),
        cmocka_unit_test(texts_tell_what_was_changed),
        cmocka_unit_test(a_models_recipe_has_the_defaults),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
