/* The text of --help. */
#include "options.h"

void options_help(FILE *to) {
  fputs("Usage: gan_train [OPTION]...\n"
        "Trains a GAN on any OpenCL device and measures what detach() and its alternatives cost.\n\n"
        "  --compare          run all variants from the same weights, data and noise, and compare\n"
        "  --variants A,B     compare these alone\n"
        "  --variant NAME     train one variant (default: detach)\n"
        "  --model NAME       mlp (default), dcgan or wgan_gp (default on the ring)\n"
        "  --data NAME        fashion-mnist, ring, or a folder: train-images-idx3-ubyte[.gz], or PNG and JPEG\n"
        "                     files, also in a sub-folder a class\n"
        "                     (default: fashion-mnist if it is installed, else ring)\n"
        "  --image-size N     bring images to N x N, cut to a square and filtered (dcgan: a power of two,\n"
        "                     default 64; else as the data is, pictures of a folder to 64)\n"
        "  --channels 1|3     of a folder's pictures (default: as the first)\n"
        "  --skip-unreadable  leave out pictures that cannot be read, and count them (default: refuse the folder)\n"
        "  --conditional      learn the labels too: train-labels-idx1-ubyte[.gz], sub-folders, the ring's modes\n"
        "  --nz N             numbers of noise (default: 128; dcgan 100; wgan_gp on ring 2)\n"
        "  --hidden N         mlp and wgan_gp: width of the hidden layers (default: 256)\n"
        "  --ngf N, --ndf N   dcgan: channels next to the image, in generator and discriminator (default: 64)\n"
        "  --critic-steps N   wgan_gp: critic steps for one of the generator (default: 5)\n"
        "  --lambda N         wgan_gp: weight of the gradient penalty (default: 10)\n"
        "  --batch N          images a step (default: 128)\n"
        "  --shards N         of a batch, which run one after the other: a power of two (default: 1)\n"
        "  --steps N          steps to train (default: one epoch; to compare, or on the ring, 1000; to compare dcgan\n"
        "                     or wgan_gp on images 200)\n"
        "  --epochs N         passes over the data instead\n"
        "  --seed N           of weights, order and noise (default: 1)\n"
        "  --device SEL       gpu, cpu, PLATFORM:DEVICE, or part of a name (see clgrad_info)\n"
        "  --remat            keep formulas of saved tensors where that will do: less memory, the same weights\n"
        "  --wide             compare phase by phase too: saved bytes, kernels, waits\n"
        "  --plan             predict the memory alone; needs no OpenCL\n"
        "  --shape cpu|gpu    how kernels are written (default: as the device is)\n"
        "  --tuning FILE      a table of clgrad_tune (default: $CLGRAD_TUNING)\n"
        "  --json FILE        write the figures; - is standard output\n"
        "  --report FILE.html write a page that shows the figures, the samples and what memory they took\n"
        "  --samples FILE.png write generated images\n"
        "  --samples-every N  also after every N steps, to FILE-000100.png and so on\n"
        "  --trace FILE.json  write a trace of the first steps, for Perfetto (which are run once more for it)\n"
        "  --save FILE        write the state of the training (safetensors)\n"
        "  --save-every N     also after every N steps, each time in the place of the file before\n"
        "  --resume FILE      go on from such a file, for --steps more, as if it had never stopped\n"
        "  --quiet            no progress\n"
        "  --version, --help\n\n"
        "Ctrl-C and SIGTERM end the step, write the outputs, and then the run (status 130, 143); a second one ends it "
        "at\n"
        "once. Status 2: a command line that is wrong; 1: a run that fails.\n\n"
        "Models:\n",
        to);
  for (int k = 0; k < MODEL_COUNT; k++)
    fprintf(to, "  %-13s %s\n", model_name((model_kind)k), model_summary((model_kind)k));
  fputs("\nVariants, of every model:\n", to);
  for (int v = 0; v < VARIANT_COUNT; v++)
    fprintf(to, "  %-13s %s\n", variant_name((variant)v), variant_summary((variant)v));
}
