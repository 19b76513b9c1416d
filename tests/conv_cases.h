/* Shapes of convolutions for test_conv.c. */
#ifndef TESTS_CONV_CASES_H
#define TESTS_CONV_CASES_H

/* Sizes of x, kernel and channels as clg_conv_shape has them: x is the larger side, whichever op made it. `extra` is
 * output_padding. */
typedef struct conv_case {
  const char *name;
  int batch, groups, c, o, in[2], kernel[2], stride[2], padding[2], dilation[2], extra[2];
} conv_case;
#define ONE                                                                                                            \
  { 1, 1 }
#define NONE                                                                                                           \
  { 0, 0 }
static const conv_case cases[] = {
    {"3x3", 2, 1, 4, 6, {9, 7}, {3, 3}, ONE, NONE, ONE, NONE},
    {"3x3 padded", 2, 1, 3, 5, {6, 11}, {3, 3}, ONE, ONE, ONE, NONE},
    {"1x1", 3, 1, 5, 19, {5, 4}, ONE, ONE, NONE, ONE, NONE},
    {"1x1 stride 2", 2, 1, 17, 3, {6, 5}, ONE, {2, 2}, NONE, ONE, {1, 0}},
    {"4x4 stride 2", 2, 1, 3, 33, {8, 12}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"4x4 stride 2, one channel to 16", 2, 1, 1, 16, {20, 20}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"4x4 stride 2, 40 channels", 2, 1, 40, 50, {4, 4}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"stride 2, channels past a panel", 2, 1, 21, 18, {13, 16}, {4, 3}, {2, 2}, ONE, ONE, NONE},
    {"stride 2, 16 wide", 1, 1, 18, 6, {16, 32}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"stride 2, 6 wide", 2, 1, 18, 17, {8, 12}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"stride 2, 3 high", 2, 1, 5, 20, {6, 40}, {2, 4}, {1, 2}, {0, 1}, ONE, NONE},
    {"stride 3, 20 channels", 2, 1, 20, 6, {12, 13}, {4, 4}, {3, 3}, ONE, ONE, {1, 0}},
    {"12 and 20 wide", 2, 1, 6, 33, {5, 20}, {3, 3}, ONE, ONE, ONE, NONE},
    {"three channels", 2, 1, 3, 8, {32, 48}, {3, 3}, ONE, ONE, ONE, NONE},
    {"from three channels to many images", 9, 1, 20, 3, {6, 4}, {3, 3}, ONE, ONE, ONE, NONE},
    {"kernel over the whole image", 5, 1, 7, 9, {4, 4}, {4, 4}, ONE, NONE, ONE, NONE},
    {"stride 3, kernel 5, padding 2", 2, 1, 3, 4, {16, 13}, {5, 5}, {3, 3}, {2, 2}, ONE, {0, 0}},
    {"stride 3, kernel 2", 2, 1, 3, 4, {11, 9}, {2, 2}, {3, 3}, NONE, ONE, {0, 1}},
    {"unlike in height and width", 2, 1, 3, 5, {12, 9}, {2, 3}, {3, 2}, {0, 1}, {2, 1}, {0, 0}},
    {"dilation 2", 2, 1, 3, 4, {9, 8}, {3, 3}, ONE, ONE, {2, 2}, NONE},
    {"dilation 3, stride 2", 2, 1, 3, 4, {14, 15}, {3, 3}, {2, 2}, {3, 2}, {3, 3}, {1, 0}},
    {"dilation 2, stride 2: phases without taps", 2, 1, 3, 4, {12, 11}, {3, 2}, {2, 2}, {1, 0}, {2, 2}, {1, 0}},
    {"output padding above the stride", 2, 1, 3, 4, {11, 11}, {3, 3}, ONE, NONE, {3, 3}, {2, 1}},
    {"two groups", 2, 2, 4, 6, {7, 8}, {3, 3}, {2, 1}, ONE, ONE, NONE},
    {"depthwise", 2, 6, 6, 12, {7, 8}, {3, 3}, ONE, ONE, ONE, NONE},
    {"three groups, stride 2", 2, 3, 9, 51, {6, 6}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"depthwise, stride 2", 3, 40, 40, 40, {9, 23}, {3, 3}, {2, 2}, ONE, ONE, NONE},
    {"depthwise, stride 2, even sizes", 1, 5, 5, 5, {8, 36}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"depthwise, 16 wide", 1, 3, 3, 3, {5, 16}, {5, 3}, ONE, {2, 1}, ONE, NONE},
    {"depthwise, 17 wide, dilation 2", 1, 3, 3, 3, {7, 17}, {3, 3}, ONE, {2, 2}, {2, 2}, NONE},
    {"depthwise, planes past a patch", 2, 2, 2, 2, {115, 113}, {3, 3}, ONE, ONE, ONE, NONE},
    {"depthwise, planes past a patch, stride 2", 1, 2, 2, 2, {129, 100}, {5, 3}, {2, 2}, {2, 0}, ONE, {0, 1}},
    {"a row past a patch", 1, 1, 1, 1, {1, 13000}, {1, 3}, ONE, NONE, ONE, NONE},
    {"one channel, 1x1", 2, 1, 1, 1, {6, 5}, ONE, ONE, NONE, ONE, NONE},
    {"four to four in groups, stride 3", 2, 3, 12, 12, {10, 14}, {3, 3}, {3, 3}, ONE, ONE, {0, 1}},
    {"four to three in groups, stride 1 and 2", 2, 2, 8, 6, {6, 19}, {3, 2}, {1, 2}, ONE, ONE, {0, 1}},
    {"one to four in groups", 1, 4, 4, 16, {7, 9}, {3, 3}, ONE, ONE, ONE, NONE},
    {"100 channels from two, stride 2", 1, 1, 2, 100, {20, 20}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"one column", 2, 3, 3, 3, {33, 1}, {3, 1}, ONE, {1, 0}, ONE, NONE},
    {"kernel larger than the image", 2, 1, 2, 3, {2, 3}, {5, 4}, ONE, {2, 1}, ONE, NONE},
    {"padding wider than the kernel", 2, 1, 2, 3, {3, 3}, {2, 2}, {2, 2}, {4, 3}, ONE, {1, 1}},
    {"one pixel", 3, 1, 4, 2, ONE, {3, 3}, ONE, ONE, ONE, NONE},
    {"rows of several blocks", 1, 1, 2, 3, {37, 71}, {3, 3}, ONE, ONE, ONE, NONE},
    {"rows of several blocks, stride 2", 1, 1, 2, 3, {41, 75}, {4, 3}, {2, 2}, {1, 1}, ONE, {1, 0}},
    {"channels of several chunks", 1, 1, 300, 70, {5, 5}, {3, 3}, ONE, ONE, ONE, NONE},
    {"small images of several chunks", 5, 1, 90, 40, {4, 4}, {3, 3}, ONE, ONE, ONE, NONE},
    {"two pairs and blocks of an item's weight gradient", 1, 1, 32, 33, {10, 13}, {3, 43}, ONE, {1, 21}, ONE, NONE},
    {"many small images", 40, 1, 100, 34, {7, 7}, {3, 1}, ONE, {1, 0}, ONE, NONE},
    {"small images, stride 2", 7, 1, 36, 20, {8, 8}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"many channels, stride 2", 1, 1, 70, 600, {4, 6}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"a kernel of many taps", 1, 1, 2, 2, {48, 47}, {47, 45}, ONE, {1, 0}, ONE, NONE},
    {"a reach beyond the patch", 1, 1, 2, 3, {125, 123}, {3, 3}, {2, 1}, NONE, {60, 61}, {0, 0}},
    {"stride above the kernel and the phases", 1, 1, 2, 3, {30, 29}, {2, 3}, {9, 8}, {1, 0}, ONE, NONE},
    {"no image", 0, 1, 2, 3, {4, 4}, {3, 3}, ONE, NONE, ONE, NONE},
    {"stride beyond the image", 2, 1, 6, 3, {5, 5}, {3, 3}, {65536, 65536}, NONE, ONE, NONE},
    {"stride beyond the image, one channel", 2, 1, 1, 3, {5, 5}, {3, 3}, {65536, 1 << 28}, ONE, ONE, NONE},
    {"stride beyond a padded image", 1, 1, 6, 3, {5, 5}, {3, 3}, {65536, 65536}, {65536, 65536}, ONE, NONE},
    {"stride beyond a padded image, one channel",
     1,
     1,
     1,
     3,
     {5, 5},
     {3, 3},
     {65536, 65536},
     {65536, 65536},
     ONE,
     NONE},
    {"large stride and dilation", 1, 1, 5, 3, {1, 5}, {1, 2}, {1, 65537}, {0, 131072}, {1, 65536}, NONE},
};
enum { CASES = sizeof cases / sizeof *cases };

/* The large ones on a software device: as small as the same path through the launcher and the kernel allows. */
static const conv_case small[] = {
    {"4x4 stride 2, 40 channels", 1, 1, 40, 18, {4, 4}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"stride 2, channels past a panel", 1, 1, 17, 18, {5, 10}, {4, 3}, {2, 2}, ONE, ONE, {1, 0}},
    {"stride 2, 16 wide", 1, 1, 18, 2, {4, 32}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"stride 2, 6 wide", 1, 1, 18, 3, {8, 12}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"stride 2, 3 high", 1, 1, 2, 20, {6, 40}, {2, 4}, {1, 2}, {0, 1}, ONE, NONE},
    {"12 and 20 wide", 1, 1, 2, 33, {4, 20}, {3, 3}, ONE, ONE, ONE, NONE},
    {"three channels", 1, 1, 3, 2, {12, 24}, {3, 3}, ONE, ONE, ONE, NONE},
    {"from three channels to many images", 7, 1, 4, 3, {4, 3}, {3, 3}, ONE, ONE, ONE, NONE},
    {"rows of several blocks", 1, 1, 1, 3, {17, 39}, {3, 3}, ONE, ONE, ONE, NONE},
    {"rows of several blocks, stride 2", 1, 1, 1, 2, {21, 75}, {4, 3}, {2, 2}, {1, 1}, ONE, {1, 0}},
    {"channels of several chunks", 1, 1, 50, 34, {2, 3}, {7, 7}, ONE, {3, 3}, ONE, NONE},
    {"small images of several chunks", 3, 1, 50, 34, {2, 2}, {7, 7}, ONE, {3, 3}, ONE, NONE},
    {"two pairs and blocks of an item's weight gradient", 1, 1, 3, 33, {2, 3}, {3, 5}, ONE, {1, 2}, ONE, NONE},
    {"many small images", 3, 1, 4, 34, {4, 4}, {3, 1}, ONE, {1, 0}, ONE, NONE},
    {"many channels, stride 2", 1, 1, 34, 40, {4, 6}, {8, 8}, {2, 2}, {3, 3}, ONE, NONE},
    {"depthwise, stride 2", 1, 33, 33, 33, {3, 23}, {3, 3}, {2, 2}, ONE, ONE, NONE},
    {"depthwise, planes past a patch", 1, 1, 1, 1, {5, 2500}, {3, 3}, ONE, ONE, ONE, NONE},
    {"depthwise, planes past a patch, stride 2", 1, 1, 1, 1, {5, 2400}, {5, 3}, {2, 2}, {2, 0}, ONE, {0, 1}},
    {"100 channels from two, stride 2", 1, 1, 2, 40, {36, 20}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"a kernel of many taps", 1, 1, 1, 2, {18, 17}, {17, 16}, ONE, {1, 0}, ONE, NONE},
    {"a reach beyond the patch", 1, 1, 2, 3, {5, 7}, {3, 3}, {2, 1}, {60, 61}, {60, 61}, NONE},
};

#endif
