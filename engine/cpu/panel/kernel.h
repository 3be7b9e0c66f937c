#include <stdint.h>

int panel_available(void);
void panel_pack(void *dst, const float *w, int rows, int k, int bf16);
void panel_product(int m, int n, int k, const float *x, int64_t ldx, const void *w, int bf16, float *y, int64_t ldy, int add);

// g query heads of size d on n positions of a sequence; see Attention.
void panel_scores(int g, int d, int n, int bf16, const void *cache, int64_t block, const int32_t *table, int64_t ld, float *s, const float *q);
void panel_values(int g, int d, int n, int bf16, const void *cache, int64_t block, const int32_t *table, int64_t ld, float *y, const float *p);
