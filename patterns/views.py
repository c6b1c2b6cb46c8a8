from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def pattern_list(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def start(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def detail(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def scan(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")
