/* Made by scripts/winograd.py: the transforms of minimal filtering, one dimension, of a type `vec`. */

static inline __attribute__((always_inline)) void f4x5_bt(const vec x[8], vec y[8])
{
    vec s0 = x[2] + x[6] - 4.25f * x[4];
    vec t0 = x[1] + x[5] - 4.25f * x[3];
    y[1] = s0 + t0;
    y[2] = s0 - t0;
    vec s1 = 0.25f * x[2] + x[6] - 1.25f * x[4];
    vec t1 = 0.5f * x[1] + 2.0f * x[5] - 2.5f * x[3];
    y[3] = s1 + t1;
    y[4] = s1 - t1;
    vec s2 = 4.0f * x[2] + x[6] - 5.0f * x[4];
    vec t2 = 2.0f * x[1] + 0.5f * x[5] - 2.5f * x[3];
    y[5] = s2 + t2;
    y[6] = s2 - t2;
    y[0] = 5.25f * x[2] + x[6] - x[0] - 5.25f * x[4];
    y[7] = 5.25f * x[3] + x[7] - x[1] - 5.25f * x[5];
}

static inline __attribute__((always_inline)) void f4x5_g(const vec x[5], vec y[8])
{
    vec s0 = (float)(-2.0 / 9) * x[0] + (float)(-2.0 / 9) * x[2] + (float)(-2.0 / 9) * x[4];
    vec t0 = (float)(-2.0 / 9) * x[1] + (float)(-2.0 / 9) * x[3];
    y[1] = s0 + t0;
    y[2] = s0 - t0;
    vec s1 = (float)(1.0 / 90) * x[0] + (float)(2.0 / 45) * x[2] + (float)(8.0 / 45) * x[4];
    vec t1 = (float)(1.0 / 45) * x[1] + (float)(4.0 / 45) * x[3];
    y[3] = s1 + t1;
    y[4] = s1 - t1;
    vec s2 = (float)(32.0 / 45) * x[0] + (float)(8.0 / 45) * x[2] + (float)(2.0 / 45) * x[4];
    vec t2 = (float)(16.0 / 45) * x[1] + (float)(4.0 / 45) * x[3];
    y[5] = s2 + t2;
    y[6] = s2 - t2;
    y[0] = -x[0];
    y[7] = x[4];
}

static inline __attribute__((always_inline)) void f4x5_a(const vec x[4], vec y[8])
{
    vec s0 = x[0] + x[2];
    vec t0 = x[1] + x[3];
    y[1] = s0 + t0;
    y[2] = s0 - t0;
    vec s1 = x[0] + 4.0f * x[2];
    vec t1 = 2.0f * x[1] + 8.0f * x[3];
    y[3] = s1 + t1;
    y[4] = s1 - t1;
    vec s2 = x[0] + 0.25f * x[2];
    vec t2 = 0.5f * x[1] + 0.125f * x[3];
    y[5] = s2 + t2;
    y[6] = s2 - t2;
    y[0] = x[0];
    y[7] = x[3];
}

static inline __attribute__((always_inline)) void f4x5_b(const vec x[8], vec y[8])
{
    vec s0 = x[1] + x[2], t0 = x[1] - x[2];
    vec s1 = x[3] + x[4], t1 = x[3] - x[4];
    vec s2 = x[5] + x[6], t2 = x[5] - x[6];
    y[0] = -x[0];
    y[1] = t0 + 0.5f * t1 + 2.0f * t2 - x[7];
    y[2] = 5.25f * x[0] + s0 + 0.25f * s1 + 4.0f * s2;
    y[3] = 5.25f * x[7] - 4.25f * t0 - 2.5f * t1 - 2.5f * t2;
    y[4] = -5.25f * x[0] - 4.25f * s0 - 1.25f * s1 - 5.0f * s2;
    y[5] = t0 + 2.0f * t1 + 0.5f * t2 - 5.25f * x[7];
    y[6] = x[0] + s0 + s1 + s2;
    y[7] = x[7];
}

static inline __attribute__((always_inline)) void f4x5_gt(const vec x[8], vec y[5])
{
    vec s0 = x[1] + x[2], t0 = x[1] - x[2];
    vec s1 = x[3] + x[4], t1 = x[3] - x[4];
    vec s2 = x[5] + x[6], t2 = x[5] - x[6];
    y[0] = (float)(1.0 / 90) * s1 + (float)(32.0 / 45) * s2 - x[0] + (float)(-2.0 / 9) * s0;
    y[1] = (float)(1.0 / 45) * t1 + (float)(16.0 / 45) * t2 + (float)(-2.0 / 9) * t0;
    y[2] = (float)(2.0 / 45) * s1 + (float)(8.0 / 45) * s2 + (float)(-2.0 / 9) * s0;
    y[3] = (float)(4.0 / 45) * t1 + (float)(4.0 / 45) * t2 + (float)(-2.0 / 9) * t0;
    y[4] = x[7] + (float)(8.0 / 45) * s1 + (float)(2.0 / 45) * s2 + (float)(-2.0 / 9) * s0;
}

static inline __attribute__((always_inline)) void f4x5_at(const vec x[8], vec y[4])
{
    vec s0 = x[1] + x[2], t0 = x[1] - x[2];
    vec s1 = x[3] + x[4], t1 = x[3] - x[4];
    vec s2 = x[5] + x[6], t2 = x[5] - x[6];
    y[0] = x[0] + s0 + s1 + s2;
    y[1] = t0 + 2.0f * t1 + 0.5f * t2;
    y[2] = s0 + 4.0f * s1 + 0.25f * s2;
    y[3] = x[7] + t0 + 8.0f * t1 + 0.125f * t2;
}

static inline __attribute__((always_inline)) void f4x3_bt(const vec x[6], vec y[6])
{
    vec s0 = x[4] - 4.0f * x[2];
    vec t0 = x[3] - 4.0f * x[1];
    y[1] = s0 + t0;
    y[2] = s0 - t0;
    vec s1 = x[4] - x[2];
    vec t1 = 2.0f * x[3] - 2.0f * x[1];
    y[3] = s1 + t1;
    y[4] = s1 - t1;
    y[0] = 4.0f * x[0] + x[4] - 5.0f * x[2];
    y[5] = 4.0f * x[1] + x[5] - 5.0f * x[3];
}

static inline __attribute__((always_inline)) void f4x3_g(const vec x[3], vec y[6])
{
    vec s0 = (float)(-1.0 / 6) * x[0] + (float)(-1.0 / 6) * x[2];
    vec t0 = (float)(-1.0 / 6) * x[1];
    y[1] = s0 + t0;
    y[2] = s0 - t0;
    vec s1 = (float)(1.0 / 24) * x[0] + (float)(1.0 / 6) * x[2];
    vec t1 = (float)(1.0 / 12) * x[1];
    y[3] = s1 + t1;
    y[4] = s1 - t1;
    y[0] = 0.25f * x[0];
    y[5] = x[2];
}

static inline __attribute__((always_inline)) void f4x3_a(const vec x[4], vec y[6])
{
    vec s0 = x[0] + x[2];
    vec t0 = x[1] + x[3];
    y[1] = s0 + t0;
    y[2] = s0 - t0;
    vec s1 = x[0] + 4.0f * x[2];
    vec t1 = 2.0f * x[1] + 8.0f * x[3];
    y[3] = s1 + t1;
    y[4] = s1 - t1;
    y[0] = x[0];
    y[5] = x[3];
}

static inline __attribute__((always_inline)) void f4x3_b(const vec x[6], vec y[6])
{
    vec s0 = x[1] + x[2], t0 = x[1] - x[2];
    vec s1 = x[3] + x[4], t1 = x[3] - x[4];
    y[0] = 4.0f * x[0];
    y[1] = 4.0f * x[5] - 4.0f * t0 - 2.0f * t1;
    y[2] = -5.0f * x[0] - 4.0f * s0 - s1;
    y[3] = t0 + 2.0f * t1 - 5.0f * x[5];
    y[4] = x[0] + s0 + s1;
    y[5] = x[5];
}

static inline __attribute__((always_inline)) void f4x3_gt(const vec x[6], vec y[3])
{
    vec s0 = x[1] + x[2], t0 = x[1] - x[2];
    vec s1 = x[3] + x[4], t1 = x[3] - x[4];
    y[0] = 0.25f * x[0] + (float)(1.0 / 24) * s1 + (float)(-1.0 / 6) * s0;
    y[1] = (float)(1.0 / 12) * t1 + (float)(-1.0 / 6) * t0;
    y[2] = x[5] + (float)(1.0 / 6) * s1 + (float)(-1.0 / 6) * s0;
}

static inline __attribute__((always_inline)) void f4x3_at(const vec x[6], vec y[4])
{
    vec s0 = x[1] + x[2], t0 = x[1] - x[2];
    vec s1 = x[3] + x[4], t1 = x[3] - x[4];
    y[0] = x[0] + s0 + s1;
    y[1] = t0 + 2.0f * t1;
    y[2] = s0 + 4.0f * s1;
    y[3] = x[5] + t0 + 8.0f * t1;
}
