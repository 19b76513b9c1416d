"""The loop of each variant in PyTorch: what the page shows beside the same loop in C. D and G are modules, opt_d and opt_g their
optimizers, loss is binary cross-entropy with logits; a function takes one step."""
import torch
from torch.utils.checkpoint import checkpoint_sequential


def detach(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    fake = G(z)
    out = D(fake.detach())
    loss(out, torch.zeros_like(out)).backward()
    opt_d.step()
    opt_g.zero_grad()
    out = D(fake)
    loss(out, torch.ones_like(out)).backward()
    opt_g.step()


def retain_graph(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    fake = G(z)
    out = D(fake)
    loss(out, torch.zeros_like(out)).backward(retain_graph=True)
    opt_d.step()
    opt_g.zero_grad()
    out = D(fake)
    loss(out, torch.ones_like(out)).backward()
    opt_g.step()


def inputs(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    fake = G(z)
    out = D(fake)
    loss(out, torch.zeros_like(out)).backward(inputs=list(D.parameters()))
    opt_d.step()
    opt_g.zero_grad()
    out = D(fake)
    loss(out, torch.ones_like(out)).backward()
    opt_g.step()


def recompute(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    fake = G(z)
    out = D(fake)
    loss(out, torch.zeros_like(out)).backward()
    opt_d.step()
    opt_g.zero_grad()
    fake = G(z)
    out = D(fake)
    loss(out, torch.ones_like(out)).backward()
    opt_g.step()


def no_grad(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    with torch.no_grad():
        fake = G(z)
    out = D(fake)
    loss(out, torch.zeros_like(out)).backward()
    opt_d.step()
    opt_g.zero_grad()
    fake = G(z)
    out = D(fake)
    loss(out, torch.ones_like(out)).backward()
    opt_g.step()


def frozen_d(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    fake = G(z)
    out = D(fake.detach())
    loss(out, torch.zeros_like(out)).backward()
    opt_d.step()
    opt_g.zero_grad()
    D.requires_grad_(False)
    out = D(fake)
    loss(out, torch.ones_like(out)).backward()
    D.requires_grad_(True)
    opt_g.step()


def checkpoint(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = checkpointed(D, real)
    loss(out, torch.ones_like(out)).backward()
    fake = checkpointed(G, z)
    out = checkpointed(D, fake.detach())
    loss(out, torch.zeros_like(out)).backward()
    opt_d.step()
    opt_g.zero_grad()
    out = checkpointed(D, fake)
    loss(out, torch.ones_like(out)).backward()
    opt_g.step()


def polluted(D, G, opt_d, opt_g, loss, real, z):
    opt_g.zero_grad()
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    fake = G(z)
    out = D(fake)
    loss(out, torch.zeros_like(out)).backward(retain_graph=True)
    opt_d.step()
    out = D(fake)
    loss(out, torch.ones_like(out)).backward()
    opt_g.step()


def one_stage(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    fake = G(z)
    shown = fake.detach().requires_grad_()
    out = D(shown)
    loss(out, torch.zeros_like(out)).backward()
    gamma = -(-out.detach().clamp(min=-88)).exp()
    opt_d.step()
    opt_g.zero_grad()
    fake.backward(shown.grad * gamma.view(-1, *[1] * (fake.dim() - 1)))
    opt_g.step()


def naive(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    fake = G(z)
    out = D(fake)
    loss(out, torch.zeros_like(out)).backward()
    opt_d.step()
    opt_g.zero_grad()
    out = D(fake)
    loss(out, torch.ones_like(out)).backward()
    opt_g.step()


def stale(D, G, opt_d, opt_g, loss, real, z):
    opt_d.zero_grad()
    out = D(real)
    loss(out, torch.ones_like(out)).backward()
    fake = G(z)
    out = D(fake)
    loss(out, torch.zeros_like(out)).backward(retain_graph=True)
    opt_d.step()
    opt_g.zero_grad()
    loss(out, torch.ones_like(out)).backward()
    opt_g.step()


def checkpointed(network, x):
    """A block of a Sequential at a time."""
    return checkpoint_sequential(network, len(network), x, use_reentrant=False)
