"""Where an implementation's tests are built and run: on this machine, or in a root of its own. And what is missing for it."""
import os
import pathlib
import shutil
import subprocess


class Unprepared(Exception):
    """An implementation cannot be had here; the text says what to do."""


# In the namespaces of its own that unshare has made, whose mounts and processes end with it, however it ends.
ENTER = """
set -e
mount --bind "$1" "$2/src"
mount -t proc proc "$2/proc"
mount --rbind /sys "$2/sys"
mount --rbind /dev "$2/dev"
root=$2
shift 2
chroot "$root" "$@"
"""


class Place:
    """A build folder of the tree, and how a command is run there: with `env`, in the folder `root` if there is one. Programs that use
    a device are run by `wrapper`, whose first word is a script of tests/tools."""

    def __init__(self, options, env=None, wrapper=(), folder=None, root=None):
        self.tree, self.root = options.root, root
        seen = pathlib.Path("/src") if root else self.tree
        self.folder = folder or options.build
        self.source, self.build = str(seen), str(seen / self.folder)
        self.wrapper = [str(seen / "tests/tools" / wrapper[0]), *wrapper[1:]] if wrapper else []
        base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"} if root else os.environ
        self.env = {**base, "CLGRAD_DEVICE": "Portable Computing Language", **(env or {})}

    def _command(self, args):
        if not self.root:
            return args
        return ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child",
                "sh", "-c", ENTER, "sh", str(self.tree), str(self.root), *args]

    def call(self, args):
        """Runs it; its exit status. When this script is stopped, so is what it runs."""
        with subprocess.Popen(self._command(args), env=self.env) as child:
            try:
                return child.wait()
            finally:
                if child.poll() is None:
                    # unshare waits for its child whatever it is told; Meson ends its tests first.
                    (child.kill if self.root else child.terminate)()

    def ask(self, args, seconds=None):
        """Runs it, for so long; what it writes, and its exit status."""
        if seconds:
            args = ["timeout", str(seconds), *args]
        return subprocess.run(self._command(args), env=self.env, capture_output=True, text=True, check=False)

    def compile(self):
        steps = [["ninja", "-C", self.build]]
        if not (self.tree / self.folder / "build.ninja").exists():
            steps.insert(0, ["meson", "setup", self.build, self.source, "-Dtests=enabled"])
        for args in steps:
            done = self.ask(args)
            if done.returncode != 0:
                print(done.stdout + done.stderr)
                raise subprocess.CalledProcessError(done.returncode, args)


def need(found, package):
    """Installs a package of Debian's unless what it has was found."""
    if found:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unprepared(f"it needs {package}: install that, or run this as root on Debian")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for args in ["update"], ["-y", "install", "--no-install-recommends", package]:
        if subprocess.run(["apt-get", "-q", *args], env=env, check=False).returncode != 0:
            raise Unprepared(f"it needs {package}, which apt could not install")


def once(folder, fill):
    """Makes the folder by `fill` unless it is there; one that was left half filled is made anew."""
    if folder.exists():
        return folder
    part = folder.with_name(folder.name + ".part")
    subprocess.run(["rm", "-rf", "--one-file-system", part], check=True)
    part.mkdir(parents=True)
    fill(part)
    part.rename(folder)
    return folder
