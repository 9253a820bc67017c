"""What Vault's refusals and silences are to us. Its own words are left out: only what was asked for is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, RateLimited, Unavailable

__all__ = ["vault_faults"]

_DOWN = "See `vault status`; nothing needs to be done here once it answers."


@contextmanager
def vault_faults(address: str, doing: str) -> Iterator[None]:
    """Errors of hvac and requests raised inside become ours. What 400, 401, 403 and 404 mean depends on what was asked: they pass.

    Raises:
        Unavailable: Sealed, in standby, without a leader, broken, or not there.
        RateLimited: A quota was used up.
        ConfigurationError: The address or the certificate is wrong.
    """
    import requests
    from hvac import exceptions as hvac

    try:
        yield
    except (hvac.InvalidRequest, hvac.Unauthorized, hvac.Forbidden, hvac.InvalidPath):
        raise
    except (KeyError, TypeError, ValueError) as error:
        # hvac hands on whatever came: a page of a proxy, say.
        if isinstance(error, requests.exceptions.RequestException):
            raise _unusable(error, address, doing) from error
        raise ConfigurationError(
            f"{address} was asked to {doing}, and answered in another way than Vault does",
            advice="Check VAULT_ADDR, and proxies on the way.",
        ) from error
    except hvac.VaultError as error:
        raise _told(error, address, doing) from error
    except requests.exceptions.SSLError as error:
        raise ConfigurationError(
            f"Vault at {address} could not be asked to {doing}: its certificate is not trusted, or TLS is not spoken there",
            advice="Set VAULT_CACERT to the authority's certificate, and check VAULT_ADDR.",
        ) from error
    except (requests.exceptions.Timeout, requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise Unavailable(
            f"Vault at {address} could not be asked to {doing}: {type(error).__name__}", advice="Check VAULT_ADDR, and whether Vault runs."
        ) from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise _unusable(error, address, doing) from error


def _unusable(error: Exception, address: str, doing: str) -> ConfigurationError:
    return ConfigurationError(
        f"Vault at {address} could not be asked to {doing}: {type(error).__name__}", advice="Check VAULT_ADDR and VAULT_CACERT."
    )


def _told(error: Exception, address: str, doing: str) -> ConnectorError:
    from hvac import exceptions as hvac

    what = f"Vault at {address} could not be asked to {doing}: "
    if isinstance(error, hvac.VaultDown):
        return Unavailable(f"{what}it is sealed, or in maintenance (503)", advice=f"Unseal it: `vault operator unseal`. {_DOWN}")
    if isinstance(error, hvac.VaultNotInitialized):
        return ConfigurationError(f"{what}it is not initialised (501)", advice="Run `vault operator init`.")
    if isinstance(error, hvac.RateLimitExceeded):
        return RateLimited(f"{what}a rate limit was met, or the node is in standby (429)", advice=_DOWN)
    # 472 and 473 are standby nodes that cannot forward; hvac has no class of its own for them, nor for 504.
    return Unavailable(f"{what}it answered with an error of its own ({type(error).__name__})", advice=_DOWN)
