//go:build cgo

#define _GNU_SOURCE
#include "shim.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORKERS = 64, MAX_DIMS = 12 };
enum { ARG_SRC = 1, ARG_DST = 17, ARG_WEIGHTS = 33, ARG_SCRATCHPAD = 80 };
enum { QUERY_IMPL = 8, QUERY_SCRATCHPAD_MD = 136 };
enum { CPU = 1, IN_ORDER = 1, SCRATCHPAD_USER = 1 };

typedef int64_t dims[MAX_DIMS];
typedef struct { int arg; void *memory; } exec_arg;
typedef struct { int major, minor, patch; } version;

// Descriptors of version 2 are structures that the caller provides; these are
// larger than any of them. Version 3 stores a pointer in the first bytes.
typedef union { void *opaque; char bytes[4096]; } md;
typedef union { char bytes[32768]; void *align; } op_desc;

static struct {
	int major;
	const version *(*version)(void);
	int (*engine_create)(void **, int, size_t);
	int (*stream_create)(void **, void *, unsigned);
	int (*md_strides_v2)(void *, int, const dims, int, const dims);
	int (*md_strides_v3)(void **, int, const dims, int, const dims);
	int (*md_destroy_v3)(void *);
	int (*matmul_desc_v2)(void *, const void *, const void *, const void *, const void *);
	int (*pd_create_v2)(void **, const void *, void *, void *, void *);
	int (*matmul_pd_v3)(void **, void *, const void *, const void *, const void *, const void *, void *);
	int (*pd_destroy)(void *);
	int (*pd_query)(void *, int, int, void *);
	const void *(*pd_query_md)(void *, int, int);
	size_t (*md_size)(const void *);
	int (*primitive_create)(void **, void *);
	int (*memory_create)(void **, const void *, void *, void *);
	int (*set_handle)(void *, void *);
	int (*execute)(void *, void *, int, const exec_arg *);
	int (*attr_create)(void **);
	int (*attr_destroy)(void *);
	int (*attr_scratchpad)(void *, int);
	int (*attr_post_ops)(void *, void *);
	int (*post_ops_create)(void **);
	int (*post_ops_destroy)(void *);
	int (*sum_v2)(void *, float);
	int (*sum_v3)(void *, float, int32_t, int);
	void (*omp_set_num_threads)(int);
	void *engine;
	void *stream[MAX_WORKERS];
} lib;

struct gemm {
	void *primitive;
	void *memory[MAX_WORKERS][4];
	size_t scratch;
	char impl[64];
};

static int missing(char *err, size_t n, const char *name)
{
	snprintf(err, n, "symbol %s is missing", name);
	return 0;
}

int onednn_open(const char *path, char *err, size_t n)
{
	void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h) {
		snprintf(err, n, "%s", dlerror());
		return 0;
	}
#define SYM(field, name) if (!(*(void **)&lib.field = dlsym(h, "dnnl_" name))) return missing(err, n, "dnnl_" name)
	SYM(version, "version");
	lib.major = lib.version()->major;
	if (lib.major != 2 && lib.major != 3) {
		snprintf(err, n, "version %d is neither 2 nor 3", lib.major);
		return 0;
	}
	SYM(engine_create, "engine_create");
	SYM(stream_create, "stream_create");
	SYM(pd_destroy, "primitive_desc_destroy");
	SYM(pd_query, "primitive_desc_query");
	SYM(pd_query_md, "primitive_desc_query_md");
	SYM(md_size, "memory_desc_get_size");
	SYM(primitive_create, "primitive_create");
	SYM(memory_create, "memory_create");
	SYM(set_handle, "memory_set_data_handle");
	SYM(execute, "primitive_execute");
	SYM(attr_create, "primitive_attr_create");
	SYM(attr_destroy, "primitive_attr_destroy");
	SYM(attr_scratchpad, "primitive_attr_set_scratchpad_mode");
	SYM(attr_post_ops, "primitive_attr_set_post_ops");
	SYM(post_ops_create, "post_ops_create");
	SYM(post_ops_destroy, "post_ops_destroy");
	if (lib.major == 2) {
		SYM(md_strides_v2, "memory_desc_init_by_strides");
		SYM(matmul_desc_v2, "matmul_desc_init");
		SYM(pd_create_v2, "primitive_desc_create");
		SYM(sum_v2, "post_ops_append_sum");
	} else {
		SYM(md_strides_v3, "memory_desc_create_with_strides");
		SYM(md_destroy_v3, "memory_desc_destroy");
		SYM(matmul_pd_v3, "matmul_primitive_desc_create");
		SYM(sum_v3, "post_ops_append_sum");
	}
#undef SYM
	*(void **)&lib.omp_set_num_threads = dlsym(h, "omp_set_num_threads");
	if (lib.engine_create(&lib.engine, CPU, 0)) {
		snprintf(err, n, "no CPU engine");
		return 0;
	}
	for (int i = 0; i < MAX_WORKERS; i++)
		if (lib.stream_create(&lib.stream[i], lib.engine, IN_ORDER)) {
			snprintf(err, n, "no stream");
			return 0;
		}
	return lib.major;
}

void onednn_version(int *major, int *minor, int *patch)
{
	const version *v = lib.version();
	*major = v->major, *minor = v->minor, *patch = v->patch;
}

void onednn_single_thread(void)
{
	if (lib.omp_set_num_threads)
		lib.omp_set_num_threads(1);
}

static int matrix(md *m, int rows, int cols, int type, int transposed, int64_t ld)
{
	dims d = {rows, cols}, s = {transposed ? 1 : ld, transposed ? ld : 1};
	if (lib.major == 2)
		return lib.md_strides_v2(m, 2, d, type, s);
	return lib.md_strides_v3(&m->opaque, 2, d, type, s);
}

static const void *md_of(const md *m) { return lib.major == 2 ? (const void *)m : m->opaque; }

static int attributes(void **attr, int accumulate)
{
	void *post = NULL;
	int st = lib.attr_create(attr);
	if (!st)
		st = lib.attr_scratchpad(*attr, SCRATCHPAD_USER);
	if (!st && accumulate) {
		st = lib.post_ops_create(&post);
		if (!st)
			st = lib.major == 2 ? lib.sum_v2(post, 1) : lib.sum_v3(post, 1, 0, 0);
		if (!st)
			st = lib.attr_post_ops(*attr, post);
		if (post)
			lib.post_ops_destroy(post);
	}
	return st;
}

gemm *gemm_create(const gemm_desc *d, int *status)
{
	md *m = calloc(3, sizeof(md));
	op_desc *od = calloc(1, sizeof(op_desc));
	gemm *g = calloc(1, sizeof(gemm));
	void *attr = NULL, *pd = NULL;
	const char *impl = NULL;
	int st = matrix(&m[0], d->m, d->k, d->at, d->ta, d->lda);
	if (!st)
		st = matrix(&m[1], d->k, d->n, d->bt, d->tb, d->ldb);
	if (!st)
		st = matrix(&m[2], d->m, d->n, d->ct, 0, d->ldc);
	if (!st)
		st = attributes(&attr, d->acc);
	if (!st && lib.major == 2) {
		st = lib.matmul_desc_v2(od, &m[0], &m[1], NULL, &m[2]);
		if (!st)
			st = lib.pd_create_v2(&pd, od, attr, lib.engine, NULL);
	} else if (!st) {
		st = lib.matmul_pd_v3(&pd, lib.engine, md_of(&m[0]), md_of(&m[1]), NULL, md_of(&m[2]), attr);
	}
	if (!st)
		st = lib.primitive_create(&g->primitive, pd);
	if (!st) {
		const void *smd = lib.pd_query_md(pd, QUERY_SCRATCHPAD_MD, 0);
		g->scratch = smd ? lib.md_size(smd) : 0;
		if (!lib.pd_query(pd, QUERY_IMPL, 0, &impl) && impl)
			snprintf(g->impl, sizeof g->impl, "%s", impl);
		for (int w = 0; w < MAX_WORKERS && !st; w++) {
			for (int i = 0; i < 3 && !st; i++)
				st = lib.memory_create(&g->memory[w][i], md_of(&m[i]), lib.engine, NULL);
			if (!st && g->scratch)
				st = lib.memory_create(&g->memory[w][3], smd, lib.engine, NULL);
		}
	}
	if (pd)
		lib.pd_destroy(pd);
	if (attr)
		lib.attr_destroy(attr);
	for (int i = 0; i < 3 && lib.major == 3; i++)
		if (m[i].opaque)
			lib.md_destroy_v3(m[i].opaque);
	free(od);
	free(m);
	*status = st;
	if (st) {
		free(g);
		return NULL;
	}
	return g;
}

size_t gemm_scratch(const gemm *g) { return g->scratch; }
const char *gemm_impl(const gemm *g) { return g->impl; }

int gemm_run(gemm *g, int w, void *a, void *b, void *c, void *scratch)
{
	void **m = g->memory[w];
	exec_arg args[4] = {{ARG_SRC, m[0]}, {ARG_WEIGHTS, m[1]}, {ARG_DST, m[2]}, {ARG_SCRATCHPAD, m[3]}};
	lib.set_handle(m[0], a);
	lib.set_handle(m[1], b);
	lib.set_handle(m[2], c);
	if (g->scratch)
		lib.set_handle(m[3], scratch);
	return lib.execute(g->primitive, lib.stream[w], g->scratch ? 4 : 3, args);
}
