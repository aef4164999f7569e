/* @NAME@: a detector of @WIDTH@x@HEIGHT@ windows, @KIND@, @STAGES@ stages, @NODES@ nodes.
 *
 * Written by `fer cascade export --to c`. C99, no library, no allocation. Include it in one file.
 *
 *   static unsigned char work[...];         // @NAME@_work_bytes(width, height), aligned to 4
 *   @NAME@_box boxes[500];
 *   int found = @NAME@_detect(gray, width, height, stride, 1.1f, 3, boxes, 500, work, sizeof work);
 *
 * Windows are decided as OpenCV 4 decides them: float for features, double for norms and sums.
 * Compile without -ffast-math.
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

@TABLES@

/* The integral images of one size of an image. */
typedef struct {
    int width, height, stride;
    int32_t *sums, *squares, *tilted;
    uint8_t *pixels;
} @NAME@_layer;

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

/* Newton's steps from above, until they end at the root; value is a whole number above 0. */
static inline double @NAME@_root(double value)
{
    double root = 1.0, next;
    while (root * root < value)
        root *= 2.0;
    for (;;) {
        next = 0.5 * (root + value / root);
        if (next >= root)
            return root;
        root = next;
    }
}

/* How many bytes `work` needs for an image. */
static inline size_t @NAME@_work_bytes(int width, int height)
{
    size_t arrays = @NAME@_lbp ? 1 : @NAME@_tilts ? 3 : 2;
    return arrays * 4 * (size_t)(width + 1) * (size_t)(height + 1) + (size_t)width * (size_t)height;
}

/* The coordinate of a pixel in the larger image: the left one, and the share of the right in 256. */
static inline int @NAME@_source(int at, int from, int to, int *share)
{
    double place = (at + 0.5) * ((double)from / to) - 0.5;
    int left = (int)place;
    if (place < 0) {
        *share = 0;
        return 0;
    }
    if (left >= from - 1) {
        *share = 0;
        return from - 1;
    }
    *share = @NAME@_round((place - left) * 256);
    return left;
}

/* Make the image smaller as cv2.INTER_LINEAR_EXACT does, and compute its integral images. */
static inline void @NAME@_prepare(@NAME@_layer *layer, const uint8_t *gray, int width, int height,
                                  int stride, int to_width, int to_height, void *work)
{
    size_t count = (size_t)(to_width + 1) * (size_t)(to_height + 1);
    int x, y, s = to_width + 1;
    layer->width = to_width;
    layer->height = to_height;
    layer->stride = s;
    layer->sums = (int32_t *)work;
    layer->squares = layer->sums + (@NAME@_lbp ? 0 : count);
    layer->tilted = layer->squares + (@NAME@_tilts ? count : 0);
    layer->pixels = (uint8_t *)(layer->tilted + count);
    for (y = 0; y < to_height; y++) {
        int down, top = @NAME@_source(y, height, to_height, &down);
        const uint8_t *row = gray + (ptrdiff_t)top * stride;
        const uint8_t *below = down ? row + stride : row;
        uint8_t *to = layer->pixels + (ptrdiff_t)y * to_width;
        for (x = 0; x < to_width; x++) {
            int across, left = @NAME@_source(x, width, to_width, &across);
            int right = across ? left + 1 : left;
            const int32_t a = row[left] * (256 - across) + row[right] * across;
            const int32_t b = below[left] * (256 - across) + below[right] * across;
            to[x] = (uint8_t)((a * (256 - down) + b * down + 32768) >> 16);
        }
    }
    for (x = 0; x <= to_width; x++) {
        layer->sums[x] = 0;
        layer->squares[x] = 0;
    }
    for (y = 0; y < to_height; y++) {
        const uint8_t *row = layer->pixels + (ptrdiff_t)y * to_width;
        int32_t *sums = layer->sums + (ptrdiff_t)(y + 1) * s;
        uint32_t sum = 0, square = 0;
        sums[0] = 0;
        for (x = 0; x < to_width; x++) {
            sum += row[x];
            sums[x + 1] = @NAME@_wrap((uint32_t)sums[x + 1 - s] + sum);
        }
        if (!@NAME@_lbp) {
            int32_t *squares = layer->squares + (ptrdiff_t)(y + 1) * s;
            squares[0] = 0;
            for (x = 0; x < to_width; x++) {
                square += (uint32_t)row[x] * row[x];
                squares[x + 1] = @NAME@_wrap((uint32_t)squares[x + 1 - s] + square);
            }
        }
    }
    if (!@NAME@_tilts)
        return;
    /* T(x, y) = T(x-1, y-1) + T(x+1, y-1) - T(x, y-2) + two pixels; beyond the borders the cone
     * holds what that of the row above does. */
    for (x = 0; x <= to_width; x++)
        layer->tilted[x] = 0;
    for (y = 1; y <= to_height; y++) {
        int32_t *here = layer->tilted + (ptrdiff_t)y * s;
        const int32_t *last = here - s;
        const uint8_t *row = layer->pixels + (ptrdiff_t)(y - 1) * to_width;
        for (x = 0; x <= to_width; x++) {
            uint32_t value;
            if (x == 0) {
                value = (uint32_t)last[1];
            } else {
                uint32_t before = y > 1 ? (uint32_t)last[x - s] : 0;
                uint32_t right = x < to_width ? (uint32_t)last[x + 1] : before;
                value = (uint32_t)last[x - 1] + right - before + row[x - 1];
                if (y > 1)
                    value += row[x - 1 - to_width];
            }
            here[x] = @NAME@_wrap(value);
        }
    }
}

@GOES_LEFT@

/* How many stages in a row the window at x, y of a layer passes; -1 if it is too flat (Haar). */
static inline int @NAME@_stages_passed(const @NAME@_layer *layer, int x, int y)
{
    ptrdiff_t at = (ptrdiff_t)y * layer->stride + x;
    float norm = 1.0f;
    int stage;
    if (!@NAME@_lbp) {
        const double area = (@WIDTH@ - 2) * (@HEIGHT@ - 2);
        ptrdiff_t a = layer->stride + 1, b = a + @WIDTH@ - 2;
        ptrdiff_t c = a + (ptrdiff_t)(@HEIGHT@ - 2) * layer->stride, d = c + @WIDTH@ - 2;
        double total = @NAME@_sum(layer->sums + at, a, b, c, d);
        double squares = (uint32_t)@NAME@_sum(layer->squares + at, a, b, c, d);
        double spread = area * squares - total * total;
        norm = (float)(1.0 / @NAME@_root(spread > 1.0 ? spread : 1.0));
        if (!(area * norm < 0.1))
            return -1;
    }
    for (stage = 0; stage < @NAME@_stages; stage++) {
        double vote = 0.0;
        int node = @NAME@_first[stage];
        while (node < @NAME@_first[stage + 1]) {
            int side = !@NAME@_goes_left(layer, at, node, norm);
            int child = @NAME@_children[node][side];
            if (child >= 0) {
                node = child;
            } else {
                vote += (double)@NAME@_leaves[node][side];
                node = -child; /* the next tree */
            }
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
    double delta = 0.2 * (width + height) * 0.5;
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
            int dx = @NAME@_round(b.width * 0.2), dy = @NAME@_round(b.height * 0.2);
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
 * boxes: room for max_boxes windows before they are grouped.
 * work: @NAME@_work_bytes(width, height) bytes, aligned to 4.
 * Returns how many boxes there are, or a number below 0: @NAME@_bad_argument,
 * @NAME@_work_too_small, @NAME@_too_many_windows.
 */
static inline int @NAME@_detect(const uint8_t *gray, int width, int height, int stride,
                                float scale_factor, int min_neighbors, @NAME@_box *boxes,
                                int max_boxes, void *work, size_t work_bytes)
{
    double factor = 1.0;
    int count = 0, i;
    int stripes = (width + 1 - @WIDTH@ + 31) / 32;
    if (!gray || !boxes || !work || !(scale_factor > 1.0f) || width < 1 || height < 1
        || stride < width || (uintptr_t)work % 4)
        return @NAME@_bad_argument;
    if (work_bytes < @NAME@_work_bytes(width, height))
        return @NAME@_work_too_small;
    while (@NAME@_round(@WIDTH@ * factor) <= width && @NAME@_round(@HEIGHT@ * factor) <= height) {
        const float scale = (float)factor;
        const int step = scale >= 2.0f ? 1 : 2;
        const int to_width = @NAME@_round((float)width / scale);
        const int to_height = @NAME@_round((float)height / scale);
        const int across = to_width + 1 - @WIDTH@, down = to_height + 1 - @HEIGHT@;
        int rows, row, x;
        @NAME@_layer layer;
        factor *= (double)scale_factor;
        if (across < 1 || down < 1)
            continue;
        /* OpenCV shares the rows among stripes of whole steps, and may leave out the last row. */
        rows = (down / step + stripes - 1) / stripes * stripes;
        if (rows < stripes)
            rows = stripes;
        @NAME@_prepare(&layer, gray, width, height, stride, to_width, to_height, work);
        for (row = 0; row < rows && row * step < down; row++)
            for (x = 0; x < across; x += step) {
                const int passed = @NAME@_stages_passed(&layer, x, row * step);
                if (passed == @NAME@_stages) {
                    @NAME@_box *box = boxes + count;
                    if (count++ == max_boxes)
                        return @NAME@_too_many_windows;
                    box->x = @NAME@_round((float)x * scale);
                    box->y = @NAME@_round((float)(row * step) * scale);
                    box->width = @NAME@_round((float)@WIDTH@ * scale);
                    box->height = @NAME@_round((float)@HEIGHT@ * scale);
                    box->neighbors = 1;
                } else if (passed == 0) {
                    x += step; /* as OpenCV does */
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
