/* Digests against the published test vectors (FIPS 180-2 appendix B, RFC 1321 appendix A.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "digest.h"

static void check(const char *algorithm, const char *first, const char *second, const char *expected)
{
    struct error why;
    struct digest digest;
    char text[DIGEST_TEXT];
    assert_int_equal(digest_open(&digest, algorithm, &why), 0);
    assert_int_equal(digest_add(&digest, first, strlen(first), &why), 0);
    assert_int_equal(digest_add(&digest, second, strlen(second), &why), 0);
    assert_int_equal(digest_close(&digest, text, &why), 0);
    assert_string_equal(text, expected);
}

static void test_vectors(void **state)
{
    (void)state;
    check("sha256", "a", "bc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check("sha256", "abcdbcdecdefdefgefghfghighijhi", "jkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check("md5", "", "", "d41d8cd98f00b204e9800998ecf8427e");
    check("md5", "message", " digest", "f96b697d7cb7938d525a2f31aaf161d0");
}

static void test_data(void **state)
{
    (void)state;
    struct error why;
    char text[DIGEST_TEXT];
    assert_int_equal(digest_data("abc", 3, "sha256", text, &why), 0);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(digest_data("abc", 3, "no such digest", text, &why), -1);
    assert_non_null(strstr(why.text, "no such digest"));
}

static void test_refusal(void **state)
{
    (void)state;
    struct error why;
    struct digest digest;
    assert_int_equal(digest_open(&digest, "no such digest", &why), -1);
    assert_non_null(strstr(why.text, "no such digest"));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_data), cmocka_unit_test(test_refusal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
