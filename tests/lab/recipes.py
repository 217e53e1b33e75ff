"""Which sample images there are, and which bundle carries which of them."""

from dataclasses import dataclass

BASE = "airferry-lab-base"


@dataclass(frozen=True)
class ImageRecipe:
    """An image: its names, what it stands on, and the layers of its own."""

    tags: tuple[str, ...]
    parent: str = BASE
    layers_megabytes: tuple[int, ...] = ()
    instructions: tuple[str, ...] = ()
    with_busybox: bool = False


@dataclass(frozen=True)
class BundleRecipe:
    """A bundle: its file name and the names that `docker save` was given."""

    name: str
    tags: tuple[str, ...]


BASE_IMAGE = ImageRecipe((f"{BASE}:1",), "scratch", (16,), ('LABEL layer="base"',))
PAUSE = ImageRecipe(
    ("k8s.gcr.io/pause:3.5",), "scratch", instructions=('ENTRYPOINT ["/pause"]', "USER 65535:65535")
)
BUSYBOX = ImageRecipe(
    ("busybox:1.35",),
    "scratch",
    instructions=('ENV PATH="/bin"', 'CMD ["sh"]'),
    with_busybox=True,
)
NGINX_LIKE = ImageRecipe(
    ("nginx-like:1.21",), BASE, (16,), ("EXPOSE 80", 'CMD ["/usr/sbin/nginx"]')
)
KUBE_PROXY = ImageRecipe(
    ("k8s.gcr.io/kube-proxy:v1.21.3", "platform9/kube-proxy:v1.21.3"), BASE, (20,)
)
CALICO_NODE = ImageRecipe(
    ("quay.io/calico/node:v3.20.0",), BASE, (24, 12), ('CMD ["start_runit"]',)
)
CALICO_CNI = ImageRecipe(("quay.io/calico/cni:v3.20.0",), BASE, (14, 4), ("ENV CNI=yes",))

IMAGES = (BASE_IMAGE, PAUSE, BUSYBOX, NGINX_LIKE, KUBE_PROXY, CALICO_NODE, CALICO_CNI)

# The pause image is in both, as it is at real sites: a bundle is made without regard to others.
BUNDLES = (
    BundleRecipe(
        "docker-imgs-v-5.2.0-1549281.tar.gz",
        (*PAUSE.tags, *BUSYBOX.tags, *NGINX_LIKE.tags, *KUBE_PROXY.tags, *CALICO_NODE.tags),
    ),
    BundleRecipe("extra-calico.tar", (*CALICO_CNI.tags, *PAUSE.tags)),
)
