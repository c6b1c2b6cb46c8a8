from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def tournament_list(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def start(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def tournament(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def champions(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")


def champion(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return render(request, "base.html")
