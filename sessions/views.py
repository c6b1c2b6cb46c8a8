from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def home(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def session_list(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def start(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def detail(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def report(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def report_json(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def model_list(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def model_detail(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")
