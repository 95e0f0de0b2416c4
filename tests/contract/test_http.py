"""Answers of a web service, each kept for its own time."""

import pytest
import requests

from cacheness import cached, cacheness

pytestmark = pytest.mark.usefixtures("here")


def test_weather(weather, capsys):
    api_cache = cacheness(
        cache_dir="./api_cache",
        default_ttl_hours=24,
        metadata_config={"store_cache_key_params": True},
    )

    class WeatherAPI:
        """A client that remembers answers."""

        def __init__(self, api_key):
            self.api_key = api_key
            self.base_url = "https://api.weatherapi.com/v1"

        @cached(cache=api_cache, ttl_hours=6, key_prefix="weather")
        def get_current_weather(self, city, units="metric"):
            """The weather now."""
            url = f"{self.base_url}/current.json"
            params = {"key": self.api_key, "q": city, "units": units}

            print(f"Making API request for {city}...")
            response = requests.get(url, params=params)
            response.raise_for_status()
            return response.json()

        @cached(cache=api_cache, ttl_hours=168, key_prefix="forecast")
        def get_7_day_forecast(self, city, include_hourly=False):
            """The next week."""
            url = f"{self.base_url}/forecast.json"
            params = {
                "key": self.api_key,
                "q": city,
                "days": 7,
                "hourly": 1 if include_hourly else 0,
            }

            print(f"Making forecast API request for {city}...")
            response = requests.get(url, params=params)
            response.raise_for_status()
            return response.json()

        @cached(cache=api_cache, ttl_hours=8760, key_prefix="historical")
        def get_historical_weather(self, city, date):
            """A day of the past."""
            url = f"{self.base_url}/history.json"
            params = {"key": self.api_key, "q": city, "dt": date}

            print(f"Making historical API request for {city} on {date}...")
            response = requests.get(url, params=params)
            response.raise_for_status()
            return response.json()

    weather_client = WeatherAPI("your_api_key_here")
    current = weather_client.get_current_weather("London", units="imperial")
    print(f"Temperature: {current['current']['temp_f']}°F")
    current_cached = weather_client.get_current_weather("London", units="imperial")
    current_metric = weather_client.get_current_weather("London", units="metric")
    forecast = weather_client.get_7_day_forecast("London", include_hourly=True)
    historical = weather_client.get_historical_weather("London", "2023-12-25")

    assert capsys.readouterr().out.splitlines() == [
        "Making API request for London...",
        "Temperature: 51.0°F",
        "Making API request for London...",
        "Making forecast API request for London...",
        "Making historical API request for London on 2023-12-25...",
    ]
    assert current_cached == current != current_metric
    assert current["asked"]["units"] == "imperial"
    assert forecast["asked"]["hourly"] == "1"
    assert historical["asked"]["dt"] == "2023-12-25"
    assert [path for path, _ in weather.requests] == [
        "/v1/current.json",
        "/v1/current.json",
        "/v1/forecast.json",
        "/v1/history.json",
    ]
    # Every answer again, without a request.
    assert weather_client.get_current_weather("London") == current_metric
    assert weather_client.get_7_day_forecast("London", True) == forecast
    assert weather_client.get_historical_weather(date="2023-12-25", city="London") == historical
    assert len(weather.requests) == 4
    # A manual call under the prefix finds what the method stored; the client's key is not told.
    assert api_cache.get(city="London", units="imperial", key_prefix="weather") == current
    assert api_cache.get(city="London", units="imperial") is None
    assert "your_api_key_here" not in str(api_cache.list_entries())
    lifetimes = [
        method.cache_info().ttl_hours
        for method in (
            WeatherAPI.get_current_weather,
            WeatherAPI.get_7_day_forecast,
            WeatherAPI.get_historical_weather,
        )
    ]
    assert lifetimes == [6, 168, 8760]


def test_an_error_is_not_an_answer(weather):
    @cached(key_prefix="failing")
    def fetch(city):
        response = requests.get("https://nowhere.invalid/v1", params={"q": city})
        if len(weather.requests) == 1:
            response.status_code = 503
        response.raise_for_status()
        return response.json()

    for attempt in range(3):
        try:
            assert fetch("Oslo")["asked"] == {"q": "Oslo"} and attempt > 0
        except requests.HTTPError:
            assert attempt == 0
    assert len(weather.requests) == 2
