/* The vector loop of max pooling; vectors.h says what it does. */

/* The channels after the last whole register. */
static void pool_window_rest(const float *const *pixels, const uint8_t *places, int count, int first, int channels,
                             float *y, uint8_t *y_places)
{
    for (int c = first; c < channels; c++) {
        int best = 0;
        for (int i = 1; i < count; i++)
            if (pixels[i][c] > pixels[best][c] || pixels[i][c] != pixels[i][c])
                best = i;
        y[c] = pixels[best][c];
        y_places[c] = places[best];
    }
}

static void pool_window(const float *const *pixels, const uint8_t *places, int count, int channels, float *y,
                        uint8_t *y_places)
{
    int c = 0;
    for (; c + LANES <= channels; c += LANES) {
        vec best = LOAD(pixels[0] + c);
        lanes place = (lanes){0} + places[0];
        for (int i = 1; i < count; i++) {
            vec x = LOAD(pixels[i] + c);
            lanes wins = (x > best) | (x != x);
            best = (vec)(((lanes)x & wins) | ((lanes)best & ~wins));
            place = (wins & places[i]) | (place & ~wins);
        }
        STORE(y + c, best);
        *(bytes *)(y_places + c) = __builtin_convertvector(place, bytes);
    }
    pool_window_rest(pixels, places, count, c, channels, y, y_places);
}
