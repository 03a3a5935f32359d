"""Sharing a built dataset on the Hub."""

from __future__ import annotations

from pathlib import Path

from builder.errors import UserError


def publish(dataset: Path, name: str, *, private: bool = True) -> str:
    """Push the folder ``dataset`` (parquet and card) to ``name`` in one commit; returns its URL.

    What is pushed loads with stock ``load_dataset(name, "repo2agent-search")``.
    """
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    if not (dataset / "README.md").is_file() or not any((dataset / "data").glob("*/*.parquet")):
        raise UserError(
            f"{dataset}: not a built dataset; give the folder that `repo2agent build --output` wrote"
        )
    api = HfApi()
    try:
        url = api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=url.repo_id,
            repo_type="dataset",
            folder_path=dataset,
            allow_patterns=["README.md", "data/*/*.parquet"],
            commit_message="Upload trajectories built with repo2agent",
        )
    except LocalTokenNotFoundError:
        raise UserError(f"{name}: no account to push with; run `hf auth login` or set HF_TOKEN") from None
    except HFValidationError as error:
        raise UserError(f"{name}: not a name that the Hub takes (user/name): {error}") from None
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{api.endpoint}: the Hub refused {name} or could not be reached ({reason}); "
            "check the connection and `hf auth whoami`"
        ) from None
    return str(url)
