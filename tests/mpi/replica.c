/* A rank of small trainings, for test_group.py: prints, from rank 0, what must not depend on the number of ranks, and
 * what each rank counted. Arguments are NAME=NUMBER; without "ranks" it runs alone, MPI untouched. "version" alone asks
 * for the library of MPI. */
#include <clgrad/clgrad.h>
#include <clgrad/mpi.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IN = 24, HIDDEN = 40, OUT = 3, ITEMS = 6, SHARDS_MOST = 64 };

typedef struct work {
  clg_context *ctx;
  clg_group *group; /* NULL: alone */
  clg_module *net;
  clg_optim *optim;
  clg_shard_sum *shards;
  clg_group_sum *sum;
  clg_tensor *gradient; /* of a shard's loss */
  float losses[SHARDS_MOST];
  int rank, ranks, per_rank;
} work;

static double given(int argc, char **argv, const char *name, double otherwise) {
  size_t n = strlen(name);
  for (int i = 1; i < argc; i++)
    if (!strncmp(argv[i], name, n) && argv[i][n] == '=') return atof(argv[i] + n + 1);
  return otherwise;
}

static int fails(work *w, const char *what) {
  printf("%s: %s\n", what, clg_last_error(w->ctx));
  fflush(stdout);
  if (!w->group) return 1;
  /* What another rank said first is enough. */
  struct timespec moment = {.tv_nsec = 300000000};
  nanosleep(&moment, NULL);
  MPI_Abort(MPI_COMM_WORLD, 3);
  return 1;
}

static clg_module *network(clg_context *ctx) {
  clg_module *layers[] = {clg_linear_create(ctx, IN, HIDDEN, true, NULL), clg_batch_norm_create(ctx, HIDDEN, NULL),
                          clg_activation_create(ctx, (clg_act){"gelu", {0}}), clg_dropout_create(ctx, 0.2f),
                          clg_linear_create(ctx, HIDDEN, OUT, true, NULL)};
  return clg_sequential_create(ctx, layers, sizeof layers / sizeof *layers);
}

/* Of the context: the others wait as long as kernels compile. */
static void on_build(void *user, uint64_t done, const char *name) {
  const work *w = user;
  (void)done;
  clg_group_compiling(w->group, name != NULL);
}

static bool make_sums(work *w, int shards) {
  size_t n, n_tracked = 0;
  clg_tensor *const *p = clg_module_parameters(w->net, &n), *tracked[8], *t;
  while ((t = clg_module_buffer(w->net, n_tracked, NULL, 0))) tracked[n_tracked++] = t;
  w->shards = clg_shard_sum_create(w->ctx, p, n, (size_t)w->per_rank);
  if (!w->shards || clg_shard_sum_track(w->shards, tracked, n_tracked) != CLG_OK) return false;
  if (w->group) w->sum = clg_group_sum_create(w->group, w->shards, w->losses, (size_t)shards);
  return !w->group || w->sum;
}

/* Rank r begins with other weights than rank 0, until they are broadcast. */
static bool make(work *w, const clg_group_options *options, MPI_Comm comm, int shards) {
  const clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  if (w->ranks && clg_group_create(&w->group, w->ctx, comm, options) != CLG_OK) return false;
  w->per_rank = w->ranks ? shards / w->ranks : shards;
  clg_set_seed(w->ctx, 5 + (uint64_t)w->rank, 0);
  w->net = network(w->ctx);
  if (!clg_module_parameters(w->net, NULL)) return false;
  if (w->group && clg_group_broadcast(w->group, w->net) != CLG_OK) return false;
  w->optim = clg_optim_create_for(w->net, &adam);
  w->gradient = clg_tensor_create(w->ctx, 0, NULL, (float[]){1 / (float)shards});
  return w->optim && w->gradient && make_sums(w, shards);
}

static bool run_shard(work *w, int step, int shard, bool last) {
  clg_set_seed(w->ctx, 1000 * (uint64_t)step + (uint64_t)shard, 0);
  clg_scope *s = clg_scope_open(w->ctx);
  clg_tensor *x = clg_randn(w->ctx, 2, (int64_t[]){ITEMS, IN}), *y = clg_forward(w->net, x);
  clg_tensor *loss = clg_mean(clg_square(clg_add_scalar(y, -1)), NULL, 0, false);
  bool ok = clg_tensor_read_async(loss, &w->losses[shard]) == CLG_OK;
  if (ok && last && w->sum) ok = clg_group_sum_start(w->sum) == CLG_OK;
  const clg_backward_options how = {.grad = w->gradient};
  ok = ok && clg_backward(loss, &how) == CLG_OK && clg_shard_sum_add(w->shards) == CLG_OK;
  return clg_scope_close(s) == CLG_OK && ok;
}

static bool run_step(work *w, int step) {
  memset(w->losses, 0, sizeof w->losses);
  clg_optim_zero_grad(w->optim);
  if (clg_shard_sum_begin(w->shards) != CLG_OK) return false;
  for (int i = 0; i < w->per_rank; i++)
    if (!run_shard(w, step, w->rank * w->per_rank + i, i + 1 == w->per_rank)) return false;
  if (w->sum && clg_group_sum_finish(w->sum) != CLG_OK) return false;
  return clg_optim_step(w->optim) == CLG_OK && clg_finish(w->ctx) == CLG_OK;
}

static void misbehave(const work *w, int argc, char **argv) {
  if (given(argc, argv, "stops", -1) == w->rank) raise(SIGSTOP);
  if (given(argc, argv, "gives_up", -1) == w->rank) {
    clg_group_give_up(w->group, "its cat is on the keyboard");
    exit(3);
  }
  if (given(argc, argv, "compiles", -1) == w->rank) {
    double seconds = 2 * given(argc, argv, "timeout", 1);
    clg_group_compiling(w->group, true);
    nanosleep(&(struct timespec){.tv_sec = (time_t)seconds}, NULL);
    clg_group_compiling(w->group, false);
  }
}

static uint64_t hash(const void *bytes, size_t n, uint64_t h) {
  for (size_t i = 0; i < n; i++) h = (h ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
  return h;
}

/* Of weights and running statistics. */
static uint64_t hash_of(work *w) {
  float v[IN * HIDDEN + 4 * HIDDEN + HIDDEN * OUT + OUT], b[HIDDEN];
  clg_tensor *t;
  clg_module_read(w->net, v);
  uint64_t h = hash(v, clg_module_numel(w->net) * sizeof *v, 1);
  for (size_t i = 0; (t = clg_module_buffer(w->net, i, NULL, 0)); i++) {
    clg_tensor_read(t, b);
    h = hash(b, sizeof b, h);
  }
  return h;
}

/* All ranks have the same, and rank 0 says it. */
static bool report(work *w, uint64_t losses) {
  struct {
    uint64_t weights, losses;
    clg_group_counters counted;
  } mine = {hash_of(w), losses, clg_group_counted(w->group)}, all[SHARDS_MOST] = {mine};
  if (w->group && clg_group_gather(w->group, &mine, sizeof mine, all) != CLG_OK) return false;
  if (w->rank) return true;
  printf("bits %016llx %016llx\n", (unsigned long long)mine.weights, (unsigned long long)mine.losses);
  clg_memory_stats now = clg_memory(w->ctx);
  printf("gradient %zu\n", clg_module_numel(w->net) * sizeof(float));
  printf("memory %llu %llu\n", (unsigned long long)now.peak_live, (unsigned long long)now.peak_reserved);
  for (int r = 0; r < w->ranks; r++) {
    const clg_group_counters *c = &all[r].counted;
    bool same = all[r].weights == mine.weights && all[r].losses == mine.losses;
    printf("rank %d %s sums %llu sent %llu other %llu exposed %s\n", r, same ? "same" : "DIFFERS",
           (unsigned long long)c->sums, (unsigned long long)c->gradient_bytes, (unsigned long long)c->other_bytes,
           c->exposed_seconds >= 0 && c->exposed_seconds <= c->seconds ? "within" : "WRONG");
  }
  return true;
}

/* All but the context. */
static void drop(work *w) {
  clg_finish(w->ctx);
  clg_tensor_unref(&w->gradient);
  clg_group_sum_unref(&w->sum);
  clg_shard_sum_unref(&w->shards);
  clg_optim_unref(&w->optim);
  clg_module_unref(&w->net);
  clg_group_unref(&w->group);
}

/* One training, in a group of its own. */
static int train(work *w, const clg_group_options *options, int shards, int argc, char **argv) {
  const int steps = (int)given(argc, argv, "steps", 3);
  if (!make(w, options, MPI_COMM_WORLD, shards)) return fails(w, "make");
  uint64_t losses = 1;
  for (int step = 0; step < steps; step++) {
    if (step == 2) misbehave(w, argc, argv);
    if (!run_step(w, step)) return fails(w, "step");
    losses = hash(w->losses, (size_t)shards * sizeof *w->losses, losses);
  }
  if (!report(w, losses)) return fails(w, "report");
  drop(w);
  return 0;
}

/* A training with each of these buckets: without a group they are alike. */
static int train_in_buckets(work *w, clg_group_options options, int shards, int argc, char **argv) {
  static const size_t bytes[] = {0, 4, 1000, 256 << 10};
  int failed = 0;
  for (size_t i = 0; !failed && i < sizeof bytes / sizeof *bytes; i++) {
    options.bucket_bytes = bytes[i];
    if (!w->rank) printf("%s %zu\n", clg_context_is_plan(w->ctx) ? "plan" : "bucket", bytes[i]);
    failed = train(w, &options, shards, argc, argv);
  }
  return failed;
}

static int say_library(void) {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int n;
  if (MPI_Get_library_version(text, &n) != MPI_SUCCESS) return 1;
  puts(text);
  return 0;
}

/* In the place of MPI's: fails as that would, by the communicator's handler of errors. */
static bool dup_fails, split_fails;
int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *out) {
  if (!dup_fails) return PMPI_Comm_dup(comm, out);
  MPI_Comm_call_errhandler(comm, MPI_ERR_OTHER);
  return MPI_ERR_OTHER;
}
int MPI_Comm_split_type(MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm *out) {
  if (!split_fails) return PMPI_Comm_split_type(comm, type, key, info, out);
  MPI_Comm_call_errhandler(comm, MPI_ERR_OTHER);
  return MPI_ERR_OTHER;
}

static bool fails_with(clg_context *ctx, MPI_Comm comm, clg_status status, const char *part) {
  clg_group *g = NULL;
  bool ok = clg_group_create(&g, ctx, comm, NULL) == status && !g && strstr(clg_last_error(ctx), part);
  if (!ok) printf("\"%s\" is not of \"%s\"\n", clg_last_error(ctx), part);
  clg_clear_error(ctx);
  return ok;
}

/* Two ranks. Errors of MPI's before there is a group: none ends the process, and the program's handler stays. */
static int errors(void) {
  clg_context *ctx = NULL;
  clg_group *g = NULL;
  MPI_Comm between;
  MPI_Errhandler handler;
  int rank;
  if (clg_context_create(&ctx, NULL) != CLG_OK) return 1;
  bool ok = clg_group_place(MPI_COMM_WORLD) == -1 && fails_with(ctx, MPI_COMM_WORLD, CLG_ERR_ARGUMENT, "not started");
  MPI_Init(NULL, NULL);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  ok = fails_with(ctx, MPI_COMM_NULL, CLG_ERR_ARGUMENT, "MPI_COMM_NULL") && clg_group_place(MPI_COMM_NULL) == -1 && ok;
  MPI_Intercomm_create(MPI_COMM_SELF, 0, MPI_COMM_WORLD, !rank, 1, &between);
  ok = fails_with(ctx, between, CLG_ERR_ARGUMENT, "intercommunicator") && ok;
  MPI_Comm_free(&between);
  dup_fails = split_fails = true;
  ok = fails_with(ctx, MPI_COMM_WORLD, CLG_ERR_PEER, "MPI_Comm_dup failed") && ok;
  ok = clg_group_place(MPI_COMM_WORLD) == -1 && ok;
  dup_fails = split_fails = false;
  MPI_Comm_get_errhandler(MPI_COMM_WORLD, &handler);
  ok = handler == MPI_ERRORS_ARE_FATAL && ok;
  ok = clg_group_create(&g, ctx, MPI_COMM_WORLD, NULL) == CLG_OK && clg_group_size(g) == 2 && ok;
  clg_group_unref(&g);
  clg_context_unref(&ctx);
  MPI_Finalize();
  puts(ok ? "errors ok" : "errors WRONG");
  return !ok;
}

/* Every function with NULL for each of its pointers: none crashes, none succeeds. */
static int nulls(void) {
  clg_context *ctx = NULL;
  clg_group *g = NULL, *none = NULL;
  clg_group_sum *no_sum = NULL;
  float host;
  MPI_Init(NULL, NULL);
  bool ok = clg_context_create_plan(&ctx, NULL) == CLG_OK && clg_group_create(&g, ctx, MPI_COMM_SELF, NULL) == CLG_OK;
  clg_shard_sum *shards = clg_shard_sum_create(ctx, NULL, 0, 1);
  ok = ok && clg_group_create(NULL, ctx, MPI_COMM_SELF, NULL) != CLG_OK;
  ok = ok && clg_group_create(&none, NULL, MPI_COMM_SELF, NULL) != CLG_OK && !none && !clg_group_ref(NULL);
  clg_group_unref(NULL), clg_group_unref(&none);
  ok = ok && clg_group_rank(NULL) == -1 && clg_group_size(NULL) == 0 && !clg_group_counted(NULL).sums;
  ok = ok && clg_group_broadcast(NULL, NULL) != CLG_OK && clg_group_broadcast(g, NULL) != CLG_OK;
  ok = ok && clg_group_gather(NULL, &host, 4, &host) != CLG_OK && clg_group_gather(g, NULL, 4, &host) != CLG_OK &&
       clg_group_gather(g, &host, 4, NULL) != CLG_OK && clg_group_gather(g, NULL, 0, NULL) == CLG_OK;
  ok = ok && !clg_group_gather_tensor(NULL, NULL) && !clg_group_gather_tensor(g, NULL);
  clg_group_compiling(NULL, true), clg_group_give_up(NULL, "x"), clg_group_give_up(g, NULL);
  ok = ok && !clg_group_sum_create(NULL, shards, NULL, 0) && !clg_group_sum_create(g, NULL, NULL, 0) &&
       !clg_group_sum_create(g, shards, NULL, 1) && !clg_group_sum_ref(NULL);
  clg_group_sum_unref(NULL), clg_group_sum_unref(&no_sum);
  ok = ok && clg_group_sum_start(NULL) != CLG_OK && clg_group_sum_finish(NULL) != CLG_OK;
  clg_shard_sum_unref(&shards);
  clg_group_unref(&g);
  clg_context_unref(&ctx);
  MPI_Finalize();
  puts(ok ? "nulls ok" : "nulls WRONG");
  return !ok;
}

/* shards, steps: of a batch; to train. timeout: the group's. buckets=1: a training with each of several buckets, on the
 * device and then in a plan. stops, gives_up: the rank that stops itself, or gives up, in step 2; compiles: the one
 * that says it compiles, for twice the timeout. */
int main(int argc, char **argv) {
  work w = {.ranks = (int)given(argc, argv, "ranks", 0)};
  if (argc == 2 && !strcmp(argv[1], "version")) return say_library();
  if (argc == 2 && !strcmp(argv[1], "nulls")) return nulls();
  if (argc == 2 && !strcmp(argv[1], "errors")) return errors();
  const int shards = (int)given(argc, argv, "shards", 8);
  const bool buckets = given(argc, argv, "buckets", 0) > 0;
  clg_group_options options = clg_group_defaults();
  options.timeout = given(argc, argv, "timeout", options.timeout);
  if (w.ranks) {
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &w.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &w.ranks);
  }
  clg_context_options device = clg_context_defaults();
  device.build = on_build, device.build_user = &w;
  device.nth = w.ranks ? (size_t)clg_group_place(MPI_COMM_WORLD) : 0;
  int failed = 0;
  for (int plan = 0; !failed && plan <= buckets; plan++) {
    if ((plan ? clg_context_create_plan(&w.ctx, NULL) : clg_context_create(&w.ctx, &device)) != CLG_OK)
      return fails(&w, "context");
    failed = buckets ? train_in_buckets(&w, options, shards, argc, argv) : train(&w, &options, shards, argc, argv);
    clg_context_unref(&w.ctx);
  }
  if (!failed && w.ranks) MPI_Finalize();
  return failed;
}
