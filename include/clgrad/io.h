/* Files: named tensors as safetensors, whose names and layouts are PyTorch's, and single arrays as .npy.
 *
 * Input is treated as hostile: a file that is truncated, lies about its sizes, overlaps, names something twice or holds
 * another type is an error of one line that names the file and the tensor, and leaves everything as it was. float32 and
 * int32 are loaded; other types may be in a file beside them. Output is atomic: it is written beside the old file,
 * synced and renamed, so that whenever the process dies the path names the old file or the new one, whole. A link stays
 * one, a file keeps its mode, and what is no regular file is refused (CLG_ERR_IO), as is at once a file that no rename
 * may replace: mounted by itself, immutable, another user's in a folder like /tmp. A process that is killed meanwhile
 * can leave "PATH.tmp" behind, which the next save of PATH replaces; one that is another user's, or no plain file, is
 * left alone and refused. Two that save one PATH at the same time take turns (flock), and the last one's file stays;
 * who waits for more than ten seconds gives up with an error. All these calls block.
 *
 * Errors: CLG_ERR_IO (the file), CLG_ERR_SHAPE (names, shapes or types that do not fit), CLG_ERR_ARGUMENT,
 * CLG_ERR_STATE (saving from a plan context, which has no values). */
#ifndef CLGRAD_IO_H
#define CLGRAD_IO_H

#include <clgrad/optim.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one module, one file: as safetensors.torch.save_file(model.state_dict(), path) writes it ---- */
/* Parameters and buffers under their names ("0.weight"). */
CLG_API clg_status clg_module_save(clg_module *m, const char *path);
/* All names and shapes must be the module's; the error says which are not, and nothing is loaded then. BatchNorm's
 * "num_batches_tracked", which is of no use here, is passed over. */
CLG_API clg_status clg_module_load(clg_module *m, const char *path);

/* ---- several things in one file ---- */
/* A saver collects what goes into a file, and holds it; values are read at commit. An add that fails makes commit fail,
 * so that one look is enough. */
typedef struct clg_saver clg_saver;
CLG_API clg_saver *clg_saver_create(clg_context *ctx, const char *path);
CLG_API clg_saver *clg_saver_ref(clg_saver *s);
CLG_API void clg_saver_unref(clg_saver **s);
CLG_API clg_status clg_saver_add_tensor(clg_saver *s, const char *name, clg_tensor *t);
/* Text for __metadata__. */
CLG_API clg_status clg_saver_add_metadata(clg_saver *s, const char *key, const char *value);
/* Prefixes stand before every name as they are: "G." makes "G.0.weight". NULL is none. */
CLG_API clg_status clg_saver_add_module(clg_saver *s, const char *prefix, clg_module *m);
/* Of every parameter i that was stepped, its state under PyTorch's names, "state.0.exp_avg", and its number of steps,
 * "state.0.step" (I64, zero-dimensional); the learning rate of each group, "param_groups.0.lr" (F64, zero-dimensional);
 * in the metadata "kind"
 * ("adam"). Parameters are numbered as they were given to the optimizer. */
CLG_API clg_status clg_saver_add_optim(clg_saver *s, const char *prefix, clg_optim *o);
/* The context's random stream: "seed" and "position" in the metadata, as decimal numbers. */
CLG_API clg_status clg_saver_add_random(clg_saver *s, const char *prefix);
/* Makes commit fail with CLG_ERR_STATE where a float32 value is a NaN or an infinity: the error names the tensor, and a
 * good file of before stays. */
CLG_API void clg_saver_refuse_nonfinite(clg_saver *s);
/* Writes the file. Two things of the same name are an error. */
CLG_API clg_status clg_saver_commit(clg_saver *s);

typedef struct clg_loader clg_loader;
/* Opens the file and checks its header; the data is read when asked for. */
CLG_API clg_loader *clg_loader_open(clg_context *ctx, const char *path);
CLG_API clg_loader *clg_loader_ref(clg_loader *l);
CLG_API void clg_loader_unref(clg_loader **l);
/* The names in the file, sorted; borrowed. NULL if i is out of range. */
CLG_API size_t clg_loader_count(const clg_loader *l);
CLG_API const char *clg_loader_name(const clg_loader *l, size_t i);
CLG_API bool clg_loader_has(const clg_loader *l, const char *name);
/* Borrowed, or NULL when there is no such key. */
CLG_API const char *clg_loader_metadata(const clg_loader *l, const char *key);
/* A new tensor; one reference, yours. NULL with an error if there is no such name. */
CLG_API clg_tensor *clg_loader_load_tensor(clg_loader *l, const char *name);
/* As clg_module_load, of the names that start with the prefix; other names are not looked at. */
CLG_API clg_status clg_loader_load_module(clg_loader *l, const char *prefix, clg_module *m);
/* State, steps and learning rate. The optimizer must be of the same kind and options over the same shapes. A parameter
 * without state in the file is as if it was never stepped. Steps may be F32 too, as PyTorch has them; SGD's may be
 * missing, and without "lr" the optimizer keeps its own. */
CLG_API clg_status clg_loader_load_optim(clg_loader *l, const char *prefix, clg_optim *o);
CLG_API clg_status clg_loader_load_random(clg_loader *l, const char *prefix);

/* ---- .npy: one array (NumPy's format 1.0 to 3.0, C order, '<f4' or '<i4') ---- */
CLG_API clg_status clg_npy_save(clg_tensor *t, const char *path);
/* One reference, yours. */
CLG_API clg_tensor *clg_npy_load(clg_context *ctx, const char *path);

/* ---- any file ---- */
/* Replaces the file by these n bytes, whole or not at all, as the calls above do. */
CLG_API clg_status clg_file_save(clg_context *ctx, const char *path, const void *bytes, size_t n);
/* Whether a save could begin: tries it and leaves no trace. */
CLG_API clg_status clg_file_check(clg_context *ctx, const char *path);

#ifdef __cplusplus
}
#endif
#endif
