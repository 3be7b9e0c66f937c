#include <stdint.h>

int panel_available(void);
void panel_pack(void *dst, const float *w, int rows, int k, int bf16);
void panel_product(int m, int n, int k, const float *x, int64_t ldx, const void *w, int bf16, float *y, int64_t ldy, int add);

// g query heads of size d on n positions of a sequence; see Attention.
void panel_scores(int g, int d, int n, int bf16, const void *cache, int64_t block, const int32_t *table, int64_t ld, float *s, const float *q);
void panel_values(int g, int d, int n, int bf16, const void *cache, int64_t block, const int32_t *table, int64_t ld, float *y, const float *p);

// Rows of activations in 8 bits, and products with a panel of int8; see quant.Row,
// quant.Scheme and Int8Product.
typedef struct {
	float scale, offset;
	int32_t zero;
} panel_row;
enum { PANEL_SYMMETRIC, PANEL_ASYMMETRIC, PANEL_COMPRESSED };
void panel_pack_int8(void *dst, const float *w, int rows, int k);
void panel_quantize(int rows, int k, const float *x, int64_t ldx, void *q, panel_row *p, int scheme);
int panel_vnni(void);
void panel_product_int8(int vnni, int m, int n, int k, const void *q, const panel_row *rows, const void *w, float *y, int64_t ldy, int add);
