"""What pyproject.toml cannot say: checkpointer.pth lies beside the package, where Python reads it when it starts."""

from setuptools import Distribution, setup  # first: it is what provides distutils

# isort: split
from distutils.command.install_data import install_data


class InstallDataBesideTheModules(install_data):
    """``install_data``, to the folder of the modules, in which Python looks for such files."""

    def finalize_options(self):
        """Take the folder of the modules instead of the environment's top folder, which is usual for data."""
        self.set_undefined_options("install", ("install_lib", "install_dir"))
        super().finalize_options()


class DistributionWithData(Distribution):
    """A distribution whose data files are also part of an editable installation."""

    has_data = Distribution.has_data_files  # what `editable_wheel` asks


setup(
    distclass=DistributionWithData,
    cmdclass={"install_data": InstallDataBesideTheModules},
    data_files=[("", ["checkpointer.pth"])],
)
