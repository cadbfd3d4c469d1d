"""The tests: unit, integration, web, contract, browser, journeys."""
