"""Surface: the Flask glue that pages, JSON API, portal routes and FHIR share."""
