<?php

namespace Acme\Shop;

/**
 * Its name fits what others ask for, but it declares something else.
 */
class Right
{
}
