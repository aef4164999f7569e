"""The web page and the JSON API: a Flask application, served by waitress."""
