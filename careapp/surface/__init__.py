"""Surface: the Flask glue that pages, JSON API and portal routes share."""
