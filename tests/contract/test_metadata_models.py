"""Typed metadata on entries: models, records, queries and schemas."""

import pytest

from cacheness import CacheConfig, cacheness

pytest.importorskip("sqlalchemy")

from sqlalchemy import Column, Float, Integer, String, Text, and_, func, or_

from cacheness.custom_metadata import (
    CustomMetadataBase,
    custom_metadata_model,
    export_custom_metadata_schema,
    list_registered_schemas,
    migrate_custom_metadata_tables,
    validate_custom_metadata_model,
)
from cacheness.metadata import Base

pytestmark = pytest.mark.usefixtures("here")


@custom_metadata_model("ml_experiments")
class MLExperimentMetadata(Base, CustomMetadataBase):
    __tablename__ = "custom_ml_experiments"

    experiment_id = Column(String(100), nullable=False, unique=True, index=True)
    model_type = Column(String(50), nullable=False, index=True)
    accuracy = Column(Float, nullable=False, index=True)
    f1_score = Column(Float, nullable=True, index=True)
    dataset_name = Column(String(100), nullable=False, index=True)
    created_by = Column(String(100), nullable=False, index=True)
    environment = Column(String(50), nullable=False, index=True)
    hyperparams = Column(Text, nullable=True)
    notes = Column(Text, nullable=True)


@custom_metadata_model("data_pipelines")
class DataPipelineMetadata(Base, CustomMetadataBase):
    __tablename__ = "custom_data_pipelines"

    pipeline_id = Column(String(100), nullable=False, unique=True, index=True)
    pipeline_name = Column(String(200), nullable=False, index=True)
    source_system = Column(String(100), nullable=False, index=True)
    execution_time_seconds = Column(Integer, nullable=False, index=True)
    rows_processed = Column(Integer, nullable=False, index=True)
    status = Column(String(20), nullable=False, index=True)
    triggered_by = Column(String(100), nullable=False, index=True)


@custom_metadata_model("model_deployments")
class ModelDeploymentMetadata(Base, CustomMetadataBase):
    __tablename__ = "custom_model_deployments"

    deployment_id = Column(String(100), nullable=False, unique=True, index=True)
    model_name = Column(String(100), nullable=False, index=True)
    deployment_environment = Column(String(50), nullable=False, index=True)
    endpoint_url = Column(String(500), nullable=True)
    replicas = Column(Integer, nullable=False, index=True)
    deployed_by = Column(String(100), nullable=False, index=True)


@pytest.fixture
def cache(here):
    config = CacheConfig(
        cache_dir="./cache",
        metadata_backend="sqlite",
        store_cache_key_params=True,
    )
    with cacheness(config) as cache:
        yield cache


def experiment(**changes):
    values = {
        "experiment_id": "exp_xgb_customer_churn_v3",
        "model_type": "xgboost",
        "accuracy": 0.947,
        "f1_score": 0.923,
        "dataset_name": "customer_churn_v2",
        "created_by": "alice_ml",
        "environment": "production",
        "hyperparams": '{"n_estimators": 100, "max_depth": 6}',
        "notes": "High-accuracy model with optimized hyperparameters",
    }
    return MLExperimentMetadata(**{**values, **changes})


def test_an_entry_and_its_record(cache, capsys):
    model_data = {"trees": [1, 2, 3]}
    experiment_metadata = experiment()
    cache.put(
        model_data,
        experiment="exp_xgb_customer_churn_v3",
        model_type="xgboost",
        version="v1.0",
        custom_metadata={"ml_experiments": experiment_metadata},
        description="Production customer churn prediction model",
    )

    model = cache.get(experiment="exp_xgb_customer_churn_v3", model_type="xgboost", version="v1.0")
    assert model == model_data
    custom_meta = cache.get_custom_metadata_for_entry(
        experiment="exp_xgb_customer_churn_v3", model_type="xgboost", version="v1.0"
    )
    if "ml_experiments" in custom_meta:
        exp_meta = custom_meta["ml_experiments"]
        print(f"Experiment: {exp_meta.experiment_id}")
        print(f"Accuracy: {exp_meta.accuracy}")
        print(f"Created by: {exp_meta.created_by}")
        print(f"Environment: {exp_meta.environment}")
    assert capsys.readouterr().out.splitlines() == [
        "Experiment: exp_xgb_customer_churn_v3",
        "Accuracy: 0.947",
        "Created by: alice_ml",
        "Environment: production",
    ]

    # The record goes with its entry.
    cache.invalidate(experiment="exp_xgb_customer_churn_v3", model_type="xgboost", version="v1.0")
    assert cache.query_custom_metadata("ml_experiments").all() == []


def test_queries(cache, capsys):
    for number, (model_type, accuracy, creator, environment) in enumerate(
        [
            ("xgboost", 0.95, "alice_ml", "production"),
            ("xgboost", 0.85, "bob", "staging"),
            ("lightgbm", 0.92, "alice_ml", "production"),
            ("lightgbm", 0.70, "bob", "production"),
            ("forest", 0.99, "carol", "staging"),
        ]
    ):
        record = experiment(
            experiment_id=f"exp_{number}",
            model_type=model_type,
            accuracy=accuracy,
            created_by=creator,
            environment=environment,
        )
        cache.put(number, number=number, custom_metadata={"ml_experiments": record})

    query = cache.query_custom_metadata("ml_experiments")
    production_models = query.filter(
        and_(
            MLExperimentMetadata.accuracy >= 0.9,
            MLExperimentMetadata.environment == "production",
        )
    ).all()
    assert {one.experiment_id for one in production_models} == {"exp_0", "exp_2"}

    alice_experiments = (
        query.filter(MLExperimentMetadata.created_by == "alice_ml")
        .order_by(MLExperimentMetadata.created_at.desc())
        .all()
    )
    assert [one.experiment_id for one in alice_experiments] == ["exp_2", "exp_0"]

    model_comparison = (
        query.filter(
            or_(
                MLExperimentMetadata.model_type == "xgboost",
                MLExperimentMetadata.model_type == "lightgbm",
            )
        )
        .filter(MLExperimentMetadata.accuracy >= 0.85)
        .all()
    )
    assert {one.experiment_id for one in model_comparison} == {"exp_0", "exp_1", "exp_2"}

    accuracy_by_type = (
        query.with_entities(
            MLExperimentMetadata.model_type,
            func.avg(MLExperimentMetadata.accuracy).label("avg_accuracy"),
            func.count(MLExperimentMetadata.id).label("experiment_count"),
        )
        .group_by(MLExperimentMetadata.model_type)
        .all()
    )
    for model_type, avg_acc, count in accuracy_by_type:
        print(f"{model_type}: {avg_acc:.3f} avg accuracy ({count} experiments)")
    assert set(capsys.readouterr().out.splitlines()) == {
        "forest: 0.990 avg accuracy (1 experiments)",
        "lightgbm: 0.810 avg accuracy (2 experiments)",
        "xgboost: 0.900 avg accuracy (2 experiments)",
    }


def test_several_records_on_one_entry(cache):
    deployment_metadata = ModelDeploymentMetadata(
        deployment_id="deploy_churn_prod_001",
        model_name="customer_churn_predictor",
        deployment_environment="kubernetes_prod",
        endpoint_url="https://api.company.com/models/churn/predict",
        replicas=3,
        deployed_by="devops_team",
    )
    cache.put(
        "artifact",
        model_id="churn_predictor_v1",
        custom_metadata={
            "ml_experiments": experiment(),
            "model_deployments": deployment_metadata,
        },
        description="Production model with deployment info",
    )
    found = cache.get_custom_metadata_for_entry(model_id="churn_predictor_v1")
    assert found["model_deployments"].replicas == 3
    assert found["ml_experiments"].accuracy == 0.947 and len(found) == 2


def test_schemas(here, capsys):
    migrate_custom_metadata_tables()

    schemas = list_registered_schemas()
    print(f"Registered schemas: {schemas}")
    for name in ("ml_experiments", "data_pipelines", "model_deployments"):
        assert name in schemas
    assert capsys.readouterr().out.startswith("Registered schemas: ")

    issues = validate_custom_metadata_model(MLExperimentMetadata)
    for issue in issues:
        print(f"Schema warning: {issue}")
    assert capsys.readouterr().out.count("Schema warning") == len(issues)

    ddl = export_custom_metadata_schema("ml_experiments")
    with open("schema.sql", "w") as f:
        f.write(ddl)
    text = (here / "schema.sql").read_text()
    assert "CREATE TABLE" in text and "custom_ml_experiments" in text
