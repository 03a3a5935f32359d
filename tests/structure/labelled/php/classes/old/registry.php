<?php

namespace Acme\Shop\Legacy;

class Registry
{
}
