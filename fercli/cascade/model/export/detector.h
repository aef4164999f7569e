/* @NAME@: a detector of @WIDTH@x@HEIGHT@ windows, @KIND@, @STAGES@ stages, @NODES@ nodes.
 *
 * Written by `fer cascade export --to c`. C99, no library, no allocation. Include it in one file.
 *
 *   static int32_t work[@UPPER@_WORK_BYTES(320) / 4];  // for images of 320 pixels a row
 *   static @NAME@_box boxes[200];
 *   int found = @NAME@_detect(gray, 320, 240, 320, 1.1f, 3, 0, boxes, 200, work, sizeof work);
 *
 * Windows are decided as OpenCV 4 decides them: float for features, double for norms and sums.
 * Compile without -ffast-math.
 *
 * With `#define @UPPER@_INTEGER` before it is included, windows are decided in whole numbers:
 * floating point is left for the sizes of the pyramid and for the boxes that are found.
 */
#ifndef @UPPER@_H
#define @UPPER@_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int x, y, width, height;
    int neighbors; /* how many windows agree */
} @NAME@_box;

enum {
    @NAME@_width = @WIDTH@,
    @NAME@_height = @HEIGHT@,
    @NAME@_stages = @STAGES@,
    @NAME@_tilts = @TILTS@,
    @NAME@_lbp = @LBP@
};

enum {
    @NAME@_bad_argument = -1,
    @NAME@_work_too_small = -2,
    @NAME@_too_many_windows = -3
};

/* How many bytes `work` needs for images of this width, the height does not matter: as many rows
 * of the integral images as a window has, and one more. */
#define @UPPER@_WORK_BYTES(width) (4 * ((size_t)(width) + 1) * @WORK_ROWS@)

@TABLES@

/* A band of one size of the image: as many rows as a window has. */
typedef struct {
    int width, stride;
    int32_t *sums, *tilted;  /* integral images; row y is in the place y modulo @HEIGHT@ + 1 */
    uint32_t *columns;       /* sums of the squares of a column, over the inner rows of a window */
    uint32_t *squares;       /* sums of them along the row */
    uint32_t *across;        /* the pixel that a column begins in, and the share of the next one */
    int32_t rows[@HEIGHT@ + 1]; /* where the rows of the window begin */
} @NAME@_band;

static inline int32_t @NAME@_wrap(uint32_t value)
{
    return value <= 2147483647u ? (int32_t)value : -(int32_t)(4294967295u - value) - 1;
}

/* The sum a - b - c + d, which may wrap in between. */
static inline int32_t @NAME@_sum(const int32_t *at, ptrdiff_t a, ptrdiff_t b, ptrdiff_t c,
                                 ptrdiff_t d)
{
    return @NAME@_wrap((uint32_t)at[a] - (uint32_t)at[b] - (uint32_t)at[c] + (uint32_t)at[d]);
}

/* Halves to even; value is not negative. */
static inline int @NAME@_round(double value)
{
    int whole = (int)value;
    double rest = value - whole;
    return whole + (rest > 0.5 || (rest == 0.5 && whole % 2 == 1));
}

/* Where a pixel comes from in the larger image: 512 times the left one, and the share of the right
 * one in 256. */
static inline uint32_t @NAME@_source(int at, int from, int to)
{
#ifdef @UPPER@_INTEGER
    const int32_t place = (2 * at + 1) * from - to, whole = 2 * to; /* place / whole */
    const int32_t left = place < 0 ? 0 : place / whole;
    const int32_t rest = (place - left * whole) * 256;
    int32_t share = rest / whole;
    if (rest % whole > to || (rest % whole == to && share % 2 == 1))
        share++;
#else
    const double place = (at + 0.5) * ((double)from / to) - 0.5;
    const int left = (int)place;
    const int share = place < 0 ? 0 : @NAME@_round((place - left) * 256);
#endif
    if (place < 0)
        return 0;
    return left >= from - 1 ? (uint32_t)(from - 1) * 512 : (uint32_t)left * 512 + (uint32_t)share;
}

/* A pixel of the smaller image, taken out of the integral image again: below is the row under it. */
static inline uint32_t @NAME@_pixel(const int32_t *row, const int32_t *below, int x)
{
    return (uint32_t)below[x + 1] - (uint32_t)below[x] - (uint32_t)row[x + 1] + (uint32_t)row[x];
}

/* Share out the work buffer among the arrays of a band, and make them empty. */
static inline void @NAME@_begin(@NAME@_band *band, int width, int to_width, int32_t *work)
{
    const ptrdiff_t ring = (ptrdiff_t)(to_width + 1) * (@HEIGHT@ + 1);
    int x;
    band->width = to_width;
    band->stride = to_width + 1;
    band->sums = work;
    band->tilted = work + (@NAME@_tilts ? ring : 0);
    band->across = (uint32_t *)(band->tilted + ring);
    band->columns = band->across + (@NAME@_lbp ? 0 : band->stride);
    band->squares = band->columns + (@NAME@_lbp ? 0 : band->stride);
    for (x = 0; x <= to_width; x++) {
        band->across[x] = @NAME@_source(x < to_width ? x : 0, width, to_width);
        if (!@NAME@_lbp)
            band->columns[x] = 0;
        band->sums[x] = 0;
        band->tilted[x] = 0;
    }
}

/* Make row y of the smaller image as cv2.INTER_LINEAR_EXACT does, and add it to the band. */
static inline void @NAME@_add_row(@NAME@_band *band, const uint8_t *gray, int stride, uint32_t from,
                                  int y)
{
    const int n = @HEIGHT@ + 1, s = band->stride;
    int32_t *here = band->sums + (ptrdiff_t)((y + 1) % n) * s;
    const int32_t *last = band->sums + (ptrdiff_t)(y % n) * s;
    const int32_t low = (int32_t)(from % 512), high = 256 - low;
    const uint8_t *row = gray + (ptrdiff_t)(from / 512) * stride;
    const uint8_t *below = low ? row + stride : row;
    uint32_t sum = 0;
    int x;
    here[0] = 0;
    for (x = 0; x < band->width; x++) {
        const uint32_t left = band->across[x] / 512, right = left + (band->across[x] % 512 > 0);
        const int32_t share = (int32_t)(band->across[x] % 512), rest = 256 - share;
        const int32_t a = row[left] * rest + row[right] * share;
        const int32_t b = below[left] * rest + below[right] * share;
        sum += (uint32_t)(a * high + b * low + 32768) >> 16;
        here[x + 1] = @NAME@_wrap((uint32_t)last[x + 1] + sum);
    }
@MORE_SUMS@
}

@GOES_LEFT@

/* How many stages in a row the window at x passes; -1 if it is too flat (Haar). */
static inline int @NAME@_stages_passed(const @NAME@_band *band, int x)
{
    int stage, node = 0;
@NORM@
    for (stage = 0; stage < @NAME@_stages; stage++) {
        @NAME@_vote vote = 0;
        while (node < @NAME@_last[stage]) {
            const int side = !@NAME@_goes_left(band, x, node@NORM_ARGUMENT@);
@NEXT@
        }
        if (vote < @NAME@_thresholds[stage])
            return stage;
    }
    return @NAME@_stages;
}

static inline int @NAME@_root_of(const @NAME@_box *boxes, int at)
{
    while (boxes[at].neighbors >= 0)
        at = boxes[at].neighbors;
    return at;
}

static inline int @NAME@_similar(const @NAME@_box *a, const @NAME@_box *b)
{
    int width = a->width < b->width ? a->width : b->width;
    int height = a->height < b->height ? a->height : b->height;
    int delta = (width + height) / 10;
    int dx = a->x - b->x, dy = a->y - b->y;
    int right = dx + a->width - b->width, bottom = dy + a->height - b->height;
    return dx <= delta && -dx <= delta && dy <= delta && -dy <= delta && right <= delta
        && -right <= delta && bottom <= delta && -bottom <= delta;
}

/* Join similar windows; keep groups of more than min_neighbors that are in no larger one. */
static inline int @NAME@_group(@NAME@_box *boxes, int count, int min_neighbors)
{
    int i, j, groups = 0, kept = 0;
    for (i = 0; i < count; i++)
        boxes[i].neighbors = -1; /* a root of one window; members hold their parent */
    for (i = 0; i < count; i++)
        for (j = 0; j < i; j++)
            if (@NAME@_similar(boxes + i, boxes + j)) {
                int a = @NAME@_root_of(boxes, i), b = @NAME@_root_of(boxes, j);
                if (a != b) {
                    int low = a < b ? a : b, high = a < b ? b : a;
                    boxes[low].neighbors += boxes[high].neighbors;
                    boxes[high].neighbors = low;
                }
            }
    for (i = 0; i < count; i++)
        if (boxes[i].neighbors >= 0) {
            @NAME@_box *root = boxes + @NAME@_root_of(boxes, i);
            root->x += boxes[i].x;
            root->y += boxes[i].y;
            root->width += boxes[i].width;
            root->height += boxes[i].height;
        }
    for (i = 0; i < count; i++)
        if (boxes[i].neighbors < 0 && -boxes[i].neighbors > min_neighbors) {
            @NAME@_box mean = boxes[i];
            float share;
            mean.neighbors = -mean.neighbors;
            share = 1.0f / (float)mean.neighbors;
            mean.x = @NAME@_round((float)mean.x * share);
            mean.y = @NAME@_round((float)mean.y * share);
            mean.width = @NAME@_round((float)mean.width * share);
            mean.height = @NAME@_round((float)mean.height * share);
            boxes[groups++] = mean;
        }
    for (i = 0; i < groups; i++) {
        const @NAME@_box a = boxes[i];
        int inside = 0;
        for (j = 0; j < groups; j++) {
            const @NAME@_box b = boxes[j];
            int n = b.neighbors < 0 ? -b.neighbors : b.neighbors;
            int dx = (2 * b.width + 5) / 10, dy = (2 * b.height + 5) / 10; /* a fifth, rounded */
            if (i != j && a.x >= b.x - dx && a.y >= b.y - dy && a.x + a.width <= b.x + b.width + dx
                && a.y + a.height <= b.y + b.height + dy
                && (n > (a.neighbors > 3 ? a.neighbors : 3) || a.neighbors < 3))
                inside = 1;
        }
        if (inside)
            boxes[i].neighbors = -boxes[i].neighbors;
    }
    for (i = 0; i < groups; i++)
        if (boxes[i].neighbors > 0)
            boxes[kept++] = boxes[i];
    return kept;
}

/* Find objects in a gray image.
 *
 * scale_factor: above 1. min_neighbors: 3 for faces; 0 returns all windows, not grouped.
 * min_width: of the smallest object, in pixels; 0: the window's. Larger is much faster.
 * boxes: room for max_boxes windows before they are grouped.
 * work: @UPPER@_WORK_BYTES(width) bytes, aligned to 4; where min_width is twice the window's, half of
 * that, and so on.
 * Returns how many boxes there are, or a number below 0: @NAME@_bad_argument,
 * @NAME@_work_too_small, @NAME@_too_many_windows.
 */
static inline int @NAME@_detect(const uint8_t *gray, int width, int height, int stride,
                                float scale_factor, int min_neighbors, int min_width,
                                @NAME@_box *boxes, int max_boxes, void *work, size_t work_bytes)
{
    double factor = 1.0;
    int count = 0, stripes = 0, i;
    if (!gray || !boxes || !work || !(scale_factor > 1.0f) || width < 1 || height < 1
        || stride < width || (uintptr_t)work % 4)
        return @NAME@_bad_argument;
    while (@NAME@_round(@WIDTH@ * factor) <= width && @NAME@_round(@HEIGHT@ * factor) <= height) {
        const float scale = (float)factor;
        const int step = scale >= 2.0f ? 1 : 2;
        const int to_width = @NAME@_round((float)width / scale);
        const int to_height = @NAME@_round((float)height / scale);
        const int across = to_width + 1 - @WIDTH@, down = to_height + 1 - @HEIGHT@;
        const int window_width = @NAME@_round((float)@WIDTH@ * scale);
        int rows, row, y = 0, x, k;
        @NAME@_band band;
        factor *= (double)scale_factor;
        if (across < 1 || down < 1 || window_width < min_width)
            continue;
        if (work_bytes < @UPPER@_WORK_BYTES(to_width))
            return @NAME@_work_too_small;
        /* OpenCV shares the rows among stripes of whole steps, and may leave out the last row. */
        if (!stripes)
            stripes = (across + 31) / 32;
        rows = (down / step + stripes - 1) / stripes * stripes;
        if (rows < stripes)
            rows = stripes;
        @NAME@_begin(&band, width, to_width, (int32_t *)work);
        for (row = 0; row < rows && row * step < down; row++) {
            for (; y < row * step + @HEIGHT@; y++)
                @NAME@_add_row(&band, gray, stride, @NAME@_source(y, height, to_height), y);
            for (k = 0; k <= @HEIGHT@; k++)
                band.rows[k] = (row * step + k) % (@HEIGHT@ + 1) * band.stride;
@PREFIX@
            for (x = 0; x < across; x += step) {
                const int passed = @NAME@_stages_passed(&band, x);
                if (passed == @NAME@_stages) {
                    @NAME@_box *box = boxes + count;
                    if (count++ == max_boxes)
                        return @NAME@_too_many_windows;
                    box->x = @NAME@_round((float)x * scale);
                    box->y = @NAME@_round((float)(row * step) * scale);
                    box->width = window_width;
                    box->height = @NAME@_round((float)@HEIGHT@ * scale);
                    box->neighbors = 1;
                } else if (passed == 0) {
                    x += step; /* as OpenCV does */
                }
            }
        }
    }
    if (min_neighbors > 0)
        count = @NAME@_group(boxes, count, min_neighbors);
    for (i = 0; i < count; i++) {
        /* Rounding may have moved a box across the border. */
        if (boxes[i].width > width - boxes[i].x)
            boxes[i].width = width - boxes[i].x;
        if (boxes[i].height > height - boxes[i].y)
            boxes[i].height = height - boxes[i].y;
    }
    return count;
}

#endif
