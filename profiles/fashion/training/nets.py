"""The networks. All take pictures in 0..1 and give logits; see export.py."""

import torch
from torch import nn
from torch.nn import functional

CLASSES = 10
# Mean and standard deviation of the pixels of the 60,000 training pictures.
MEAN, DEVIATION = 0.2860, 0.3530


class Normalize(nn.Module):
    """Bring pixels in 0..1 to mean 0 and deviation 1."""

    def forward(self, pixels):
        return (pixels - MEAN) / DEVIATION


def convolution(inputs, outputs, stride=1, kernel=3, groups=1):
    """A convolution with batch normalization, which the export folds away."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


def activated(*args, **kwargs):
    """A convolution followed by ReLU."""
    return nn.Sequential(convolution(*args, **kwargs), nn.ReLU())


def head(channels):
    """Average over the picture, then one score a class."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


class Residual(nn.Module):
    """Two convolutions and a shortcut around them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = activated(inputs, outputs, stride)
        self.second = convolution(outputs, outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, stride, kernel=1)

    def forward(self, features):
        return functional.relu(self.second(self.first(features)) + self.shortcut(features))


class Bottleneck(nn.Module):
    """MobileNetV2's inverted residual: expand, filter each channel, project."""

    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        hidden = inputs * expansion
        self.body = nn.Sequential(
            activated(inputs, hidden, kernel=1),
            activated(hidden, hidden, stride, groups=hidden),
            convolution(hidden, outputs, kernel=1),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, features):
        filtered = self.body(features)
        return features + filtered if self.shortcut else filtered


def logistic():
    """Logistic regression on the pixels."""
    return nn.Sequential(Normalize(), nn.Flatten(), nn.Linear(28 * 28, CLASSES))


def mlp():
    """Two hidden layers."""
    return nn.Sequential(
        Normalize(),
        nn.Flatten(),
        nn.Linear(28 * 28, 128),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, CLASSES),
    )


def cnn_small():
    """Three narrow convolutions on a picture halved twice."""
    return nn.Sequential(
        Normalize(),
        activated(1, 16, stride=2),
        activated(16, 32, stride=2),
        activated(32, 32),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, CLASSES),
    )


def cnn():
    """A plain convolutional network with pooling."""
    return nn.Sequential(
        Normalize(),
        activated(1, 32),
        nn.MaxPool2d(2),
        activated(32, 64),
        nn.MaxPool2d(2),
        activated(64, 128),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(128 * 7 * 7, CLASSES),
    )


def mobilenet():
    """A MobileNetV2 cut down to 28 by 28 pixels."""
    return nn.Sequential(
        Normalize(),
        activated(1, 24, stride=2),
        Bottleneck(24, 24, 1, 3),
        Bottleneck(24, 40, 2, 3),
        Bottleneck(40, 40, 1, 3),
        Bottleneck(40, 64, 1, 3),
        Bottleneck(64, 64, 2, 3),
        head(64),
    )


def resnet(blocks):
    """He et al.'s CIFAR network of 6 * blocks + 2 layers: 16, 32, 64 channels."""
    layers, inputs = [Normalize(), activated(1, 16)], 16
    for outputs in (16, 32, 64):
        for block in range(blocks):
            shrink = block == 0 and outputs > 16
            layers.append(Residual(inputs, outputs, 2 if shrink else 1))
            inputs = outputs
    return nn.Sequential(*layers, head(inputs))


def resnet_8():
    """One residual block at each of three resolutions."""
    return resnet(1)


def resnet_20():
    """Three residual blocks at each of three resolutions."""
    return resnet(3)


def resnet_wide():
    """Fewer, wider layers: two pooled stages with a residual block each."""
    return nn.Sequential(
        Normalize(),
        activated(1, 48),
        activated(48, 64),
        nn.MaxPool2d(2),
        Residual(64, 64, 1),
        activated(64, 96),
        nn.MaxPool2d(2),
        Residual(96, 96, 1),
        activated(96, 128),
        head(128),
    )


class Classifier(nn.Module):
    """One network as shipped: pictures in, probabilities out."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, pictures):
        return functional.softmax(self.network(pictures), dim=1)


class Ensemble(nn.Module):
    """The mean probability of several networks, for a picture and its mirror image.

    Both go through a network as one batch, so its weights are in the graph once.
    """

    def __init__(self, networks):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, pictures):
        views = torch.cat([pictures, pictures.flip(3)])
        opinions = [functional.softmax(network(views), dim=1) for network in self.networks]
        mean = torch.stack(opinions).mean(0)
        return mean.view(2, -1, CLASSES).mean(0)
